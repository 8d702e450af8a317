#include "arrays.h"
#include "bpnet/core/error.h"
#include "bpnet/io/preprocessing.h"
#include "bpnet/training/order.h"

namespace bpnet::bindings {
namespace {

using Index = py::array_t<std::uint64_t, py::array::c_style | py::array::forcecast>;
using Image = py::array_t<std::uint8_t, py::array::c_style>;

ImageInput parse_input(const std::string& description) {
  const Preprocessing preprocessing = Preprocessing::from_json(Json::parse(description));
  if (!preprocessing.image) fail<ValueError>("augmentation: the preprocessing is not one of images");
  return *preprocessing.image;
}

Augmentation parse_options(const std::string& text, const ImageInput& input) {
  const Json json = Json::parse(text);
  Augmentation options;
  options.crop = input.crop;
  options.centre_mean = input.centre_mean;
  options.random_crop = json["random_crop"].boolean();
  options.flip = json["flip"].boolean();
  options.lighting = json["lighting"].number();
  const std::string& by = json["lighting_by"].string();
  if (by != "eigenvalues" && by != "deviations") {
    fail<ValueError>("augmentation: lighting_by is '", by, "', eigenvalues or deviations is needed");
  }
  options.lighting_by = by == "deviations" ? Lighting::kDeviations : Lighting::kEigenvalues;
  return options;
}

ImageAugmenter make_augmenter(const std::string& preprocessing, const std::string& options) {
  const ImageInput input = parse_input(preprocessing);
  return {input.statistics, parse_options(options, input)};
}

// The requested rows of images (N, size, size, 3). Row numbers are copied, then checked: the caller's array
// may change during the work.
struct CheckedRows {
  CheckedRows(const ImageAugmenter& self, const Image& images, const Index& asked)
      : first(images.data()), rows(asked.data(), asked.data() + asked.size()) {
    const auto size = static_cast<py::ssize_t>(self.statistics().size);
    if (images.ndim() != 4 || images.shape(1) != size || images.shape(2) != size || images.shape(3) != 3) {
      fail<ShapeError>("augmentation: images of shape (N, ", size, ", ", size, ", 3) are needed");
    }
    for (const std::uint64_t row : rows) {
      if (row >= row_count(images)) {
        fail<ValueError>("augmentation: row ", row, " was asked for, there are ", row_count(images));
      }
    }
  }
  ImageBatch batch() const { return {first, rows.data(), rows.size()}; }

  const std::uint8_t* first;
  std::vector<std::uint64_t> rows;
};

// The output of (count, [views,] 3, crop, crop) floats.
float* checked_output(py::array_t<float, py::array::c_style>& out, const ImageAugmenter& self,
                      std::size_t windows) {
  const std::size_t crop = self.options().crop;
  if (static_cast<std::size_t>(out.size()) < windows * 3 * crop * crop) {
    fail<ShapeError>("augmentation: the output has ", out.size(), " numbers, ", windows, " x 3 x ", crop,
                     " x ", crop, " are needed");
  }
  return out.mutable_data();
}

using Out = py::array_t<float, py::array::c_style>;

void training_batch(const ImageAugmenter& self, const Image& images, const Index& rows, const Index& samples,
                    std::uint64_t seed, std::uint64_t epoch, Out out, bool parallel) {
  const CheckedRows checked(self, images, rows);
  if (samples.size() != rows.size()) fail<ShapeError>("augmentation: rows and samples differ in number");
  float* to = checked_output(out, self, checked.rows.size());
  const std::uint64_t* numbers = samples.data();
  without_interpreter([&] { self.training_batch(checked.batch(), numbers, seed, epoch, to, parallel); });
}

void centre_batch(const ImageAugmenter& self, const Image& images, const Index& rows, Out out,
                  bool parallel) {
  const CheckedRows checked(self, images, rows);
  float* to = checked_output(out, self, checked.rows.size());
  without_interpreter([&] { self.centre_batch(checked.batch(), to, parallel); });
}

void ten_view_batch(const ImageAugmenter& self, const Image& images, const Index& rows, Out out,
                    bool parallel) {
  const CheckedRows checked(self, images, rows);
  float* to = checked_output(out, self, checked.rows.size() * self.ten_views().size());
  without_interpreter([&] { self.ten_view_batch(checked.batch(), to, parallel); });
}

py::tuple as_tuple(const ImageView& v) {
  return py::make_tuple(v.top, v.left, v.flip, py::make_tuple(v.shift[0], v.shift[1], v.shift[2]), v.scale);
}

}  // namespace

void register_images(py::module_& module) {
  py::class_<ImageAugmenter>(module, "ImageAugmenter")
      .def(py::init(&make_augmenter), py::arg("preprocessing"), py::arg("options"))
      .def_property_readonly("crop", [](const ImageAugmenter& self) { return self.options().crop; })
      .def_property_readonly("size", [](const ImageAugmenter& self) { return self.statistics().size; })
      .def_property_readonly("mean",
                             [](const ImageAugmenter& self) {
                               const ImageStatistics& s = self.statistics();
                               return py::array_t<float>({s.size, s.size, std::size_t{3}}, s.mean.data());
                             })
      .def(
          "drawn_view",
          [](const ImageAugmenter& self, std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample) {
            return as_tuple(self.drawn_view(seed, epoch, sample));
          },
          py::arg("seed"), py::arg("epoch"), py::arg("sample"))
      .def("ten_views",
           [](const ImageAugmenter& self) {
             py::list views;
             for (const ImageView& view : self.ten_views()) views.append(as_tuple(view));
             return views;
           })
      .def("training_batch", &training_batch, py::arg("images").noconvert(), py::arg("rows"),
           py::arg("samples"), py::arg("seed"), py::arg("epoch"), py::arg("out").noconvert(),
           py::arg("parallel"))
      .def("centre_batch", &centre_batch, py::arg("images").noconvert(), py::arg("rows"),
           py::arg("out").noconvert(), py::arg("parallel"))
      .def("ten_view_batch", &ten_view_batch, py::arg("images").noconvert(), py::arg("rows"),
           py::arg("out").noconvert(), py::arg("parallel"));
  module.def(
      "epoch_order",
      [](std::uint64_t seed, std::uint64_t epoch, bool shuffle, std::size_t count) {
        std::vector<std::uint64_t> order;
        make_epoch_order(seed, epoch, shuffle, count, order);
        return py::array_t<std::uint64_t>(static_cast<py::ssize_t>(order.size()), order.data());
      },
      py::arg("seed"), py::arg("epoch"), py::arg("shuffle"), py::arg("count"));
}

}  // namespace bpnet::bindings
