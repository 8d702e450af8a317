// Photographs become a network's input: the mean image is subtracted and a window cut out; in training
// the window's position, its mirror image and the light are drawn (Krizhevsky, Sutskever, Hinton 2012,
// section 4.1). Every number drawn depends on seed, epoch and sample alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bpnet {

// Statistics of a training set of photographs.
struct ImageStatistics {
  std::size_t size = 256;                   // rows, and columns, of every photograph
  std::vector<float> mean;                  // (size, size, 3) of RGB values from 0 to 255
  std::array<double, 3> eigenvalues = {};   // of the covariance of RGB values from 0 to 1
  std::array<double, 9> eigenvectors = {};  // (3, 3), one in each row
};

enum class Lighting {
  kEigenvalues,  // the paper: Σ_i p_i α_i λ_i is added to every pixel
  kDeviations,   // its code: Σ_i p_i α_i √λ_i is added, and all divided by 1 + σ
};

struct Augmentation {
  std::size_t crop = 227;   // rows, and columns, of the window
  bool random_crop = true;  // off: the window in the middle
  bool flip = true;         // every other time, on average
  double lighting = 0.1;    // σ of the α_i; 0: none
  Lighting lighting_by = Lighting::kEigenvalues;
  // The mean's own middle is subtracted wherever the window is, and not flipped, as the code of 2012 does.
  bool centre_mean = false;
};

// A window of one photograph: out = (pixel − mean + shift) · scale, mirrored or not.
struct ImageView {
  std::size_t top = 0, left = 0;
  bool flip = false;
  std::array<float, 3> shift = {};
  float scale = 1;
};

// Photographs to cut windows from, as rows of one array.
struct ImageBatch {
  const std::uint8_t* images = nullptr;  // (…, size, size, 3)
  const std::uint64_t* rows = nullptr;   // (count,) which of them
  std::size_t count = 0;
};

class ImageAugmenter {
 public:
  // Throws a ShapeError or ValueError for incompatible sizes and numbers.
  ImageAugmenter(ImageStatistics statistics, Augmentation options);

  const ImageStatistics& statistics() const { return statistics_; }
  const Augmentation& options() const { return options_; }

  ImageView drawn_view(std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample) const;
  ImageView centre_view() const;
  std::array<ImageView, 10> ten_views() const;  // four corners and the middle, then the same mirrored

  // out (count, 3, crop, crop), each photograph's drawn view; samples (count,) number them in the training
  // set. `parallel` off: by the calling thread, if it works beside a network in training.
  void training_batch(const ImageBatch& batch, const std::uint64_t* samples, std::uint64_t seed,
                      std::uint64_t epoch, float* out, bool parallel = true) const;
  // out (count, 3, crop, crop), the middle of each
  void centre_batch(const ImageBatch& batch, float* out, bool parallel = true) const;
  // out (count, 10, 3, crop, crop)
  void ten_view_batch(const ImageBatch& batch, float* out, bool parallel = true) const;

 private:
  void cut(const std::uint8_t* image, const ImageView& view, float* out) const;
  template <class ViewOf>
  void cut_all(const ImageBatch& batch, std::size_t views, float* out, bool parallel,
               const ViewOf& view_of) const;

  ImageStatistics statistics_;
  Augmentation options_;
};

}  // namespace bpnet
