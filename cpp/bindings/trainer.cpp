#include "bpnet/training/trainer.h"

#include "arrays.h"
#include "bpnet/core/error.h"
#include "bpnet/io/run_state.h"
#include "bpnet/training/metrics.h"
#include "bpnet/training/order.h"
#include "custom_loss.h"
#include "reducer.h"

namespace bpnet::bindings {
namespace {

template <class T>
struct HeldTrainer {
  std::shared_ptr<HeldNetwork<T>> held;
  BasicTrainer<T> trainer;
  std::unique_ptr<PythonReducer<T>> reducer = {};
};

template <class T>
using Self = HeldTrainer<T>;

template <class T>
std::shared_ptr<Self<T>> make_trainer(const std::shared_ptr<HeldNetwork<T>>& network, const std::string& loss,
                                      const std::string& optimizer, const std::string& schedule,
                                      std::optional<std::uint64_t> seed,
                                      const std::optional<py::function>& function) {
  const Loss parsed = read_loss<T>(loss, function);
  return with_lock(*network, [&] {
    return make_or_stop([&] {
      return std::make_shared<Self<T>>(Self<T>{
          network, BasicTrainer<T>(network->network, parsed, optimizer_from_json(Json::parse(optimizer)),
                                   {schedule_from_json(Json::parse(schedule)), seed})});
    });
  });
}

template <class T>
double step(Self<T>& self, const HeldDataset<T>& batch) {
  const DatasetView<T>& data = batch.data.view();
  if (data.x_type != DatasetView<T>().x_type) fail<ValueError>("step: x is not of the network's dtype");
  return with_lock(*self.held, [&] {
    check_data("step", data, self.trainer.loss(), self.held->network);
    const auto* x = static_cast<const T*>(data.x);
    return data.labels ? self.trainer.step(x, data.labels, data.count, data.sample_weight)
                       : self.trainer.step(x, data.targets, data.count, data.sample_weight);
  });
}

// A step on rows order[first … first+count−1] of the data, whatever the loss.
template <class T>
double step_rows(Self<T>& self, const HeldDataset<T>& data, const py::array& order, std::size_t first,
                 std::size_t count) {
  const std::size_t rows = row_count(order);
  const std::uint64_t* const from = numbers<std::uint64_t>(order, rows, "step");
  if (first > rows || count > rows - first) {
    fail<ShapeError>("step: rows ", first, " to ", first + count, " of an order of ", rows);
  }
  return with_lock(*self.held, [&] { return self.trainer.step_rows(data.data, from, first, count); });
}

// A batch that owns its arrays.
template <class T>
struct HeldBatch {
  py::array x;
  std::vector<std::int64_t> labels;  // the array may change during the step
  EpochBatch<T> batch;

  void take(const Self<T>& self, const py::array& new_x, const py::array& new_labels, std::uint64_t visited) {
    const std::size_t rows = row_count(new_labels);
    const std::size_t features = self.held->network.input_shape().count();
    const T* const from = numbers<T>(new_x, checked_product("step", rows, features), "step");
    const std::int64_t* const first = numbers<std::int64_t>(new_labels, rows, "step");
    x = new_x;
    labels.assign(first, first + rows);
    batch = {from, labels.data(), rows, visited};
  }
};

template <class T>
double step_in_epoch(Self<T>& self, const py::array& x, const py::array& labels, std::uint64_t visited) {
  HeldBatch<T> held;
  held.take(self, x, labels, visited);
  return with_lock(*self.held, [&] { return self.trainer.step_in_epoch(held.batch); });
}

// Of an iterator over (x, labels, visited).
template <class T>
bool run_batches(Self<T>& self, const py::iterator& batches, double seconds) {
  HeldBatch<T> held;
  const auto next = [&](EpochBatch<T>& batch) {
    bool more = false;
    with_interpreter([&] {
      const auto item = py::reinterpret_steal<py::object>(PyIter_Next(batches.ptr()));
      if (PyErr_Occurred()) throw py::error_already_set();
      if (!item) return;
      const auto [x, labels, visited] = item.cast<std::tuple<py::array, py::array, std::uint64_t>>();
      held.take(self, x, labels, visited);
      batch = held.batch;
      more = true;
    });
    return more;
  };
  return with_lock(*self.held, [&] { return self.trainer.run_batches(next, seconds); });
}

// State that another thread may change is read under the lock.
template <class T, class Read>
auto read(Self<T>& self, const Read& of) {
  return with_lock(*self.held, [&] { return of(self.trainer); });
}

template <class T>
void set_reducer(Self<T>& self, const std::optional<py::function>& function, const py::function& first_row) {
  auto reducer = function ? std::make_unique<PythonReducer<T>>(*function, first_row, self.held) : nullptr;
  with_lock(*self.held, [&] {
    self.trainer.set_reducer(reducer ? reducer->as_reducer() : Reducer<T>{});
    std::swap(self.reducer, reducer);
  });
}

template <class T>
py::dict state(Self<T>& self) {
  const TrainerState s = read(self, [](const auto& trainer) { return trainer.state(); });
  py::dict result;
  result["step"] = s.step;
  result["epoch"] = s.epoch;
  result["position"] = s.position;
  return result;
}

// Go on where another trainer was: its described state, and the arrays of its optimizer.
template <class T>
void resume(Self<T>& self, const std::string& described, const py::dict& arrays) {
  const TrainerState given = trainer_state_from_json(Json::parse(described));
  const std::vector<NamedTensor<T>> slots = self.trainer.slots();
  if (arrays.size() != slots.size()) {
    fail<ValueError>("resume: ", arrays.size(), " arrays were given, the optimizer has ", slots.size());
  }
  std::vector<py::array> held;  // while the interpreter's lock is released
  std::vector<const T*> from;
  for (const NamedTensor<T>& slot : slots) {
    const py::str name(slot.name);
    if (!arrays.contains(name)) fail<ValueError>("resume: the optimizer's '", slot.name, "' is missing");
    const py::array array = arrays[name].template cast<py::array>();
    const Shape shape(std::vector<std::size_t>(array.shape(), array.shape() + array.ndim()));
    if (shape != slot.tensor.shape) {
      fail<ShapeError>("resume: '", slot.name, "' has shape ", shape, ", the optimizer's has ",
                       slot.tensor.shape);
    }
    held.push_back(array);
    from.push_back(numbers<T>(array, slot.tensor.count(), "resume"));
  }
  with_lock(*self.held, [&] {
    const Memory& memory = self.held->network.memory();
    for (std::size_t i = 0; i < slots.size(); ++i) {
      write_to(memory, slots[i].tensor.data, from[i], slots[i].tensor.count());
    }
    self.trainer.state() = given;
  });
}

template <class T>
void register_one(py::module_& module, const char* name, const char* snapshot_name) {
  py::class_<TrainerSnapshot<T>>(module, snapshot_name);
  py::class_<Self<T>, std::shared_ptr<Self<T>>>(module, name)
      .def(py::init(&make_trainer<T>), py::arg("network"), py::arg("loss"), py::arg("optimizer"),
           py::arg("schedule"), py::arg("seed"), py::arg("function") = py::none())
      .def_property_readonly("network", [](Self<T>& s) { return s.held; })
      .def_property_readonly("loss", [](Self<T>& s) { return describe(s.trainer.loss()).dump(); })
      .def_property_readonly("optimizer", [](Self<T>& s) { return describe(s.trainer.optimizer()).dump(); })
      .def_property_readonly("schedule",
                             [](Self<T>& s) { return describe(s.trainer.options().schedule).dump(); })
      .def_property_readonly("seed", [](Self<T>& s) { return s.trainer.seed(); })
      .def_property_readonly("lr", [](Self<T>& s) { return read(s, [](const auto& t) { return t.lr(); }); })
      .def_property_readonly("has_accuracy", [](Self<T>& s) { return has_accuracy(s.trainer.loss()); })
      .def_property_readonly("state", &state<T>)
      .def_property_readonly(
          "described_state",
          [](Self<T>& s) { return describe(read(s, [](const auto& t) { return t.state(); })).dump(); })
      .def("resume", &resume<T>, py::arg("described_state"), py::arg("slots"))
      .def_property_readonly("epoch_sums",
                             [](Self<T>& s) {
                               const TrainerState state = read(s, [](const auto& t) { return t.state(); });
                               return py::make_tuple(state.loss_sum, state.weight_sum);
                             })
      .def("set_reducer", &set_reducer<T>, py::arg("reducer"), py::arg("first_row"))
      .def("step", &step<T>, py::arg("batch"))
      .def("step_rows", &step_rows<T>, py::arg("data"), py::arg("order"), py::arg("first"), py::arg("count"))
      .def(
          "set_rates",
          [](Self<T>& s, double lr, double weight_decay, double epsilon) {
            with_lock(*s.held, [&] { s.trainer.set_rates({lr, weight_decay, epsilon}); });
          },
          py::arg("lr"), py::arg("weight_decay"), py::arg("epsilon"))
      .def("slots",
           [](const py::object& self) {
             auto& held = self.cast<Self<T>&>();
             return named_views(held.held->network.memory(), held.trainer.slots(), self);
           })
      .def("writable_slots",
           [](const py::object& self) {
             auto& held = self.cast<Self<T>&>();
             return named_views(held.held->network.memory(), held.trainer.slots(), self, Access::kWrite);
           })
      .def("step_in_epoch", &step_in_epoch<T>, py::arg("x"), py::arg("labels"), py::arg("visited"))
      .def("run_batches", &run_batches<T>, py::arg("batches"), py::arg("seconds"))
      .def(
          "check_batches",
          [](Self<T>& s, std::size_t samples, std::size_t batch_size) {
            read(s, [&](const auto& t) { t.check_batches(samples, batch_size); });
          },
          py::arg("samples"), py::arg("batch_size"))
      .def(
          "run",
          [](Self<T>& s, const HeldDataset<T>& data, std::size_t batch_size, bool shuffle, double seconds,
             std::size_t online_block) {
            return with_lock(*s.held, [&] {
              return s.trainer.run(data.data, {batch_size, shuffle, seconds, online_block});
            });
          },
          py::arg("data"), py::arg("batch_size"), py::arg("shuffle"), py::arg("seconds"),
          py::arg("online_block") = 0)
      .def(
          "run_draws",
          [](Self<T>& s, const HeldDataset<T>& data, std::uint64_t steps, double seconds) {
            with_lock(*s.held, [&] { s.trainer.run_draws(data.data, steps, seconds); });
          },
          py::arg("data"), py::arg("steps"), py::arg("seconds"))
      .def(
          "epoch_result",
          [](Self<T>& s, std::size_t samples) {
            const EpochResult result = read(s, [&](const auto& t) { return t.epoch_result(samples); });
            return py::make_tuple(result.loss, result.accuracy);
          },
          py::arg("samples"))
      .def("begin_epoch", [](Self<T>& s) { with_lock(*s.held, [&] { s.trainer.begin_epoch(); }); })
      .def(
          "end_epoch",
          [](Self<T>& s, double loss) { with_lock(*s.held, [&] { s.trainer.end_epoch(loss); }); },
          py::arg("watched_loss"))
      .def("weights_are_finite",
           [](Self<T>& s) { return with_lock(*s.held, [&] { return s.trainer.weights_are_finite(); }); })
      .def("snapshot", [](Self<T>& s) { return with_lock(*s.held, [&] { return s.trainer.snapshot(); }); })
      .def(
          "restore",
          [](Self<T>& s, const TrainerSnapshot<T>& snapshot) {
            with_lock(*s.held, [&] { s.trainer.restore(snapshot); });
          },
          py::arg("snapshot"))
      .def("keep_best", [](Self<T>& s) { with_lock(*s.held, [&] { s.trainer.keep_best(); }); })
      .def("restore_best",
           [](Self<T>& s) { return with_lock(*s.held, [&] { return s.trainer.restore_best(); }); })
      .def(
          "save",
          [](Self<T>& s, const std::string& path, const std::string& notes) {
            with_lock(*s.held, [&] {
              s.trainer.notes = notes;
              make_or_stop([&] { s.trainer.save(path); });
            });
          },
          py::arg("path"), py::arg("notes"))
      .def_static(
          "load",
          [](const std::shared_ptr<HeldNetwork<T>>& network, const std::string& path, const std::string& loss,
             const std::optional<py::function>& function) {
            std::optional<CustomLoss> custom;
            if (function) custom = std::get<CustomLoss>(read_loss<T>(loss, function));
            const auto self = with_lock(*network, [&] {
              return do_or_stop([&] {
                return std::make_shared<Self<T>>(Self<T>{
                    network, BasicTrainer<T>::load(network->network, path, custom ? &*custom : nullptr)});
              });
            });
            return py::make_tuple(self, self->trainer.notes);
          },
          py::arg("network"), py::arg("path"), py::arg("loss") = "", py::arg("function") = py::none());
}

}  // namespace

void register_trainer(py::module_& module) {
  register_one<float>(module, "TrainerF32", "SnapshotF32");
  register_one<double>(module, "TrainerF64", "SnapshotF64");
  module.attr("most_online_block") = kMostOnlineBlock;
  module.def(
      "split_order",
      [](std::uint64_t seed, std::size_t count) {
        std::vector<std::uint64_t> order;
        make_split_order(seed, count, order);
        return py::array_t<std::uint64_t>(static_cast<py::ssize_t>(order.size()), order.data());
      },
      py::arg("seed"), py::arg("count"));
}

}  // namespace bpnet::bindings
