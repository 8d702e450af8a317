#include "bpnet/io/checkpoint.h"

#include <deque>

#include "bpnet/core/error.h"
#include "bpnet/core/threads/interrupt.h"
#include "bpnet/io/run_state.h"
#include "bpnet/io/safetensors.h"

namespace bpnet {
namespace {

constexpr const char* kFormat = "1";
constexpr const char* kSlotPrefix = "optimizer.";

using Metadata = std::map<std::string, std::string>;

template <class T>
SafeTensor safe_tensor(const std::string& name, const Tensor<T>& tensor) {
  return {name,
          sizeof(T) == 4 ? "F32" : "F64",
          tensor.shape,
          {reinterpret_cast<const char*>(tensor.data), tensor.count() * sizeof(T)}};
}

template <class T>
Metadata network_metadata(BasicNetwork<T>& network) {
  Metadata metadata{
      {"format", "pt"}, {"bpnet.format", kFormat}, {"bpnet.network", network.describe().dump()}};
  if (!network.preprocessing.is_null()) metadata["bpnet.preprocessing"] = network.preprocessing.dump();
  return metadata;
}

// Tensors as the host writes them to a file. Arrays in a backend's memory are mirrored while this exists.
template <class T>
class FileTensors {
 public:
  void add(const Memory& memory, const std::string& name, const Tensor<T>& tensor) {
    mirrors_.emplace_back(memory, tensor.data, tensor.count());
    tensors_.push_back(safe_tensor(name, Tensor<T>{mirrors_.back().data(), tensor.shape}));
  }
  void add_state(BasicNetwork<T>& network) {
    for (const NamedTensor<T>& item : network.state(Writes::kNever))
      add(network.memory(), item.name, item.tensor);
  }
  const std::vector<SafeTensor>& all() const { return tensors_; }

 private:
  std::deque<HostMirror<T>> mirrors_;
  std::vector<SafeTensor> tensors_;
};

const std::string& require(const SafeTensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) fail<FileFormatError>("load: the file has no '", key, "'");
  return found->second;
}

void check_format(const SafeTensorsFile& file) {
  const std::string& format = require(file, "bpnet.format");
  if (format != kFormat) {
    fail<FileFormatError>("load: the file has format ", format, ", this bpnet reads format ", kFormat);
  }
}

FileKind kind_of(const SafeTensorsFile& file) {
  check_format(file);
  const Json description = Json::parse(require(file, "bpnet.network"));
  return {description["dtype"].string(), file.metadata().count("bpnet.trainer") > 0};
}

// The destinations of a file's tensors. Nothing is copied until all have been found to fit.
template <class T>
class Copies {
 public:
  explicit Copies(const SafeTensorsFile& file) : file_(file) {}

  void add(const Memory& memory, const std::string& name, const Tensor<T>& to) {
    const SafeTensor* from = file_.find(name);
    if (!from) fail<FileFormatError>("load: the file has no tensor '", name, "'");
    const SafeTensor wanted = safe_tensor(name, to);
    if (from->dtype != wanted.dtype || !(from->shape == wanted.shape)) {
      fail<FileFormatError>("load: '", name, "' is ", from->dtype, " of shape ", from->shape,
                            ", the architecture needs ", wanted.dtype, " of shape ", wanted.shape);
    }
    copies_.push_back({&memory, to.data, from->bytes});
  }
  void add_state(BasicNetwork<T>& network) {
    for (const NamedTensor<T>& item : network.state(Writes::kBeforeNextCall))
      add(network.memory(), item.name, item.tensor);
  }
  void make() const {
    for (const Copy& copy : copies_) copy.memory->to_backend(copy.to, copy.from.data(), copy.from.size());
  }

 private:
  struct Copy {
    const Memory* memory;
    T* to;
    std::string_view from;
  };
  const SafeTensorsFile& file_;
  std::vector<Copy> copies_;
};

// A wrong architecture in a file is the file's fault, whatever the layer reports.
template <class Action>
auto blame_file(const Action& action) {
  try {
    return action();
  } catch (const ShapeError& error) {
    fail<FileFormatError>("load: ", error.what());
  } catch (const ValueError& error) {
    fail<FileFormatError>("load: ", error.what());
  }
}

// Before a network's memory is taken: the file must hold as many numbers as its architecture claims.
template <class T>
void check_sizes(const SafeTensorsFile& file, const Plan<T>& plan) {
  std::size_t claimed = 0, held = 0;
  for (const Slot& slot : plan.parameters) claimed += slot.shape.count();
  for (const Slot& slot : plan.buffers) claimed += slot.shape.count();
  for (const SafeTensor& tensor : file.tensors()) held += tensor.bytes.size() / sizeof(T);
  if (claimed > held) {
    fail<FileFormatError>("load: the architecture has ", claimed, " numbers, the file holds ", held);
  }
}

template <class T>
BasicNetwork<T> read_network(const SafeTensorsFile& file, const Where& where) {
  check_format(file);
  const Json description = Json::parse(require(file, "bpnet.network"));
  const std::string& dtype = description["dtype"].string();
  if (dtype != dtype_name<T>()) {
    fail<FileFormatError>("load: the file holds a ", dtype, " network, ", dtype_name<T>(), " was asked for");
  }
  const Architecture architecture = blame_file([&] { return architecture_from_json(description); });
  static_cast<void>(find_backend_for<T>(architecture.on(where)));  // whose error is not the file's fault
  BasicNetwork<T> network = blame_file([&] {
    const Plan<T> plan = make_plan<T>(architecture.input_shape, architecture.layers);
    check_sizes(file, plan);
    return BasicNetwork<T>(architecture.input_shape, architecture.layers,
                           {architecture.seed, architecture.on(where)});
  });
  Copies<T> copies(file);
  copies.add_state(network);
  copies.make();
  const auto preprocessing = file.metadata().find("bpnet.preprocessing");
  if (preprocessing != file.metadata().end()) network.preprocessing = Json::parse(preprocessing->second);
  return network;
}

// The best epoch's numbers as flat arrays; an empty one is left out, for a tensor needs an element.
template <class T>
std::vector<NamedTensor<T>> best_tensors(TrainerSnapshot<T>& best) {
  std::vector<NamedTensor<T>> result;
  const auto add = [&](const char* name, std::vector<T>& values) {
    if (!values.empty()) result.push_back({name, {values.data(), {values.size()}}});
  };
  add("best.parameters", best.parameters);
  add("best.buffers", best.buffers);
  add("best.slots", best.slots);
  return result;
}

}  // namespace

template <class T>
void save(BasicNetwork<T>& network, const std::string& path) {
  FileTensors<T> tensors;
  tensors.add_state(network);
  write_safetensors(path, tensors.all(), network_metadata(network));
}

template <class T>
BasicNetwork<T> load_network(const std::string& path, const Where& where) {
  return read_network<T>(SafeTensorsFile(path), where);
}

AnyNetwork load_any_network(const std::string& path, const Where& where) {
  const SafeTensorsFile file(path);
  if (kind_of(file).dtype == dtype_name<float>()) return read_network<float>(file, where);
  return read_network<double>(file, where);
}

FileKind inspect(const std::string& path) { return kind_of(SafeTensorsFile(path)); }

template <class T>
void BasicTrainer<T>::save(const std::string& path) {
  FileTensors<T> tensors;
  tensors.add_state(*network_);
  for (const NamedTensor<T>& slot : slots()) {
    tensors.add(network_->memory(), kSlotPrefix + slot.name, slot.tensor);
  }
  Json run;
  if (best_) {
    for (const NamedTensor<T>& item : best_tensors(*best_)) {
      tensors.add(host_memory(), item.name, item.tensor);
    }
    run.set("best", describe(best_->state));
  }
  run.set("loss", describe(loss_));
  run.set("optimizer", describe(optimizer_));
  run.set("schedule", describe(options_.schedule));
  run.set("seed", std::to_string(seed()));
  run.set("state", describe(state_));
  Metadata metadata = network_metadata(*network_);
  metadata["bpnet.trainer"] = run.dump();
  metadata["bpnet.notes"] = notes;
  write_safetensors(path, tensors.all(), metadata);
}

// The loss that a run's file describes; a CustomLoss is the caller's.
static Loss loss_of_run(const Json& run, const CustomLoss* custom) {
  const Loss loss = blame_file([&] { return loss_from_json(run["loss"]); });
  const auto* named = std::get_if<CustomLoss>(&loss);
  if (!named && custom) {
    fail<ValueError>("load: the run was trained with ", loss_name(loss), ", the custom loss '", custom->name,
                     "' was passed; leave it out");
  }
  if (named && (!custom || custom->name != named->name)) {
    fail<ValueError>("load: the run was trained with the custom loss '", named->name,
                     "', whose function no file holds; ",
                     custom ? "'" + custom->name + "' was passed" : "pass it as loss");
  }
  return named ? Loss(*custom) : loss;
}

template <class T>
BasicTrainer<T> BasicTrainer<T>::load(BasicNetwork<T>& network, const std::string& path,
                                      const CustomLoss* custom) {
  const SafeTensorsFile file(path);
  check_format(file);
  if (!file.metadata().count("bpnet.trainer")) {
    fail<FileFormatError>("load: '", path,
                          "' holds a model but no run; it was written by net.save, a run is "
                          "written by trainer.save");
  }
  const Json run = Json::parse(require(file, "bpnet.trainer"));
  Loss loss = loss_of_run(run, custom);
  BasicTrainer trainer = blame_file([&] {
    TrainerOptions options{schedule_from_json(run["schedule"]), run["seed"].word()};
    return BasicTrainer(network, std::move(loss), optimizer_from_json(run["optimizer"]), std::move(options));
  });
  // Everything is read and checked before the network is touched.
  Copies<T> copies(file);
  copies.add_state(network);
  for (const NamedTensor<T>& slot : trainer.slots()) {
    copies.add(network.memory(), kSlotPrefix + slot.name, slot.tensor);
  }
  trainer.state_ = trainer_state_from_json(run["state"]);
  trainer.notes = require(file, "bpnet.notes");
  if (const Json* best = run.find("best")) {
    trainer.keep_best();  // sizes the arrays
    for (const NamedTensor<T>& item : best_tensors(*trainer.best_)) {
      copies.add(host_memory(), item.name, item.tensor);
    }
    trainer.best_->state = trainer_state_from_json(*best);
  }
  // The caller's last chance to interrupt the load.
  if (Interruptible* const work = Interruptible::current()) work->check();
  network.forget_recorded();  // what undoes a forward would put old buffers over these
  copies.make();
  return trainer;
}

template void save<float>(BasicNetwork<float>&, const std::string&);
template void save<double>(BasicNetwork<double>&, const std::string&);
template BasicNetwork<float> load_network<float>(const std::string&, const Where&);
template BasicNetwork<double> load_network<double>(const std::string&, const Where&);
template void BasicTrainer<float>::save(const std::string&);
template void BasicTrainer<double>::save(const std::string&);
template BasicTrainer<float> BasicTrainer<float>::load(BasicNetwork<float>&, const std::string&,
                                                       const CustomLoss*);
template BasicTrainer<double> BasicTrainer<double>::load(BasicNetwork<double>&, const std::string&,
                                                         const CustomLoss*);

}  // namespace bpnet
