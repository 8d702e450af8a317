#include "bpnet/io/augmentation.h"

#include <cmath>
#include <numbers>

#include "bpnet/core/error.h"
#include "bpnet/core/random.h"
#include "bpnet/core/shape.h"
#include "bpnet/core/threads/parallel.h"

namespace bpnet {
namespace {

constexpr std::size_t kChannels = 3;
constexpr double kWhite = 255;

// The numbers drawn for one sample, by index.
enum Draw : std::uint64_t { kTop, kLeft, kFlip, kNormals };

double standard_normal(RandomKey key, std::uint64_t index) {  // Box and Muller 1958
  const double radius = std::sqrt(-2 * std::log(random_unit(key, index)));
  return radius * std::cos(2 * std::numbers::pi * random_unit(key, index + 1));
}

// Calls work(index) for 0 … count−1, in any order.
template <class Work>
void for_each(std::size_t count, bool parallel, const Work& work) {
  if (!parallel) {
    for (std::size_t index = 0; index < count; ++index) work(index);
    return;
  }
  parallel_for(
      count, [](std::size_t index, void* argument) { (*static_cast<const Work*>(argument))(index); },
      const_cast<Work*>(&work));
}

}  // namespace

ImageAugmenter::ImageAugmenter(ImageStatistics statistics, Augmentation options)
    : statistics_(std::move(statistics)), options_(options) {
  const std::size_t size = statistics_.size, crop = options_.crop;
  if (crop == 0 || crop > size) {
    fail<ShapeError>("augmentation: the crop is ", crop, " pixels wide, the images are ", size);
  }
  const std::size_t pixels = checked_product("augmentation", size, size);
  if (statistics_.mean.size() != checked_product("augmentation", pixels, kChannels)) {
    fail<ShapeError>("augmentation: the mean image has ", statistics_.mean.size(), " numbers, ", size, " x ",
                     size, " x 3 are needed");
  }
  for (const float value : statistics_.mean) {
    if (!std::isfinite(value)) fail<ValueError>("augmentation: the mean image has NaN or infinity");
  }
  for (const double value : statistics_.eigenvalues) {
    if (!(value >= 0 && value <= 1e6)) {
      fail<ValueError>("augmentation: an eigenvalue is ", value, ", numbers of at least 0 are needed");
    }
  }
  for (const double value : statistics_.eigenvectors) {
    if (!(std::fabs(value) <= 1 + 1e-6)) {
      fail<ValueError>("augmentation: an eigenvector holds ", value, ", unit vectors are needed");
    }
  }
  if (!(options_.lighting >= 0 && options_.lighting <= 1e3)) {
    fail<ValueError>("augmentation: lighting is ", options_.lighting, ", a number of at least 0 is needed");
  }
}

ImageView ImageAugmenter::drawn_view(std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample) const {
  const RandomKey key = random_key(seed, Purpose::kAugment, 0, epoch);
  const std::uint64_t first = sample << 32;
  ImageView view = centre_view();
  if (options_.random_crop) {
    const std::uint64_t offsets = statistics_.size - options_.crop + 1;
    view.top = random_below(key, first | kTop, offsets);
    view.left = random_below(key, first | kLeft, offsets);
  }
  if (options_.flip) view.flip = random_below(key, first | kFlip, 2) != 0;
  if (options_.lighting == 0) return view;

  const bool by_deviation = options_.lighting_by == Lighting::kDeviations;
  std::array<double, kChannels> shift = {};
  for (std::size_t i = 0; i < kChannels; ++i) {
    const double alpha = options_.lighting * standard_normal(key, first | (kNormals + 2 * i));
    const double value = statistics_.eigenvalues[i];
    const double length = kWhite * alpha * (by_deviation ? std::sqrt(value) : value);
    for (std::size_t c = 0; c < kChannels; ++c)
      shift[c] += length * statistics_.eigenvectors[i * kChannels + c];
  }
  for (std::size_t c = 0; c < kChannels; ++c) view.shift[c] = float(shift[c]);
  if (by_deviation) view.scale = float(1 / (1 + options_.lighting));
  return view;
}

ImageView ImageAugmenter::centre_view() const {
  const std::size_t middle = (statistics_.size - options_.crop) / 2;
  return {middle, middle};
}

std::array<ImageView, 10> ImageAugmenter::ten_views() const {
  const std::size_t far = statistics_.size - options_.crop, middle = far / 2;
  std::array<ImageView, 10> views{{{0, 0}, {0, far}, {far, 0}, {far, far}, {middle, middle}}};
  for (std::size_t i = 0; i < 5; ++i) views[5 + i] = {views[i].top, views[i].left, true};
  return views;
}

void ImageAugmenter::cut(const std::uint8_t* image, const ImageView& view, float* out) const {
  const std::size_t size = statistics_.size, crop = options_.crop;
  const ImageView mean_at = options_.centre_mean ? centre_view() : view;
  for (std::size_t y = 0; y < crop; ++y) {
    const std::uint8_t* from = image + ((view.top + y) * size + view.left) * kChannels;
    const float* mean = statistics_.mean.data() + ((mean_at.top + y) * size + mean_at.left) * kChannels;
    for (std::size_t c = 0; c < kChannels; ++c) {
      float* to = out + (c * crop + y) * crop;
      for (std::size_t x = 0; x < crop; ++x) {
        const std::size_t at = view.flip ? crop - 1 - x : x;
        const std::size_t mean_x = mean_at.flip ? crop - 1 - x : x;
        to[x] = (float(from[at * kChannels + c]) - mean[mean_x * kChannels + c] + view.shift[c]) * view.scale;
      }
    }
  }
}

// out (count, views, 3, crop, crop); view_of(n, v) is view v of photograph n.
template <class ViewOf>
void ImageAugmenter::cut_all(const ImageBatch& batch, std::size_t views, float* out, bool parallel,
                             const ViewOf& view_of) const {
  const std::size_t pixels = statistics_.size * statistics_.size * kChannels;
  const std::size_t window = options_.crop * options_.crop * kChannels;
  for_each(batch.count * views, parallel, [&](std::size_t i) {
    const std::size_t n = i / views;
    cut(batch.images + batch.rows[n] * pixels, view_of(n, i % views), out + i * window);
  });
}

void ImageAugmenter::training_batch(const ImageBatch& batch, const std::uint64_t* samples, std::uint64_t seed,
                                    std::uint64_t epoch, float* out, bool parallel) const {
  cut_all(batch, 1, out, parallel,
          [&](std::size_t n, std::size_t) { return drawn_view(seed, epoch, samples[n]); });
}

void ImageAugmenter::centre_batch(const ImageBatch& batch, float* out, bool parallel) const {
  cut_all(batch, 1, out, parallel, [&](std::size_t, std::size_t) { return centre_view(); });
}

void ImageAugmenter::ten_view_batch(const ImageBatch& batch, float* out, bool parallel) const {
  const std::array<ImageView, 10> views = ten_views();
  cut_all(batch, views.size(), out, parallel, [&](std::size_t, std::size_t v) { return views[v]; });
}

}  // namespace bpnet
