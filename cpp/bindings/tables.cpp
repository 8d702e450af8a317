// Tables to numbers, and a network's outputs to answers. Errors of a row begin with "row N: ".
#include "arrays.h"
#include "bpnet/core/error.h"
#include "bpnet/core/number_text.h"
#include "bpnet/io/answers.h"
#include "bpnet/io/table_encoder.h"

namespace bpnet::bindings {
namespace {

// The strings of a Python sequence as UTF-8, kept alive. None is an empty field.
class Fields {
 public:
  Fields(const py::handle& sequence, const std::string& where) {
    if (py::isinstance<py::str>(sequence) || !PySequence_Check(sequence.ptr())) {
      throw py::type_error(where + ": a list of strings is needed");
    }
    kept_ = py::tuple(py::reinterpret_borrow<py::object>(sequence));
    views_.reserve(kept_.size());
    for (const py::handle field : kept_) {
      if (field.is_none()) {
        views_.emplace_back();
      } else if (PyUnicode_Check(field.ptr())) {
        views_.push_back(utf8(field));
      } else {
        throw py::type_error("row " + std::to_string(views_.size()) + ": " + where +
                             ": a string is needed, not " + Py_TYPE(field.ptr())->tp_name);
      }
    }
  }
  std::size_t size() const { return views_.size(); }
  std::string_view operator[](std::size_t row) const { return views_[row]; }

 private:
  std::string_view utf8(const py::handle& text) {
    Py_ssize_t size = 0;
    if (const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size)) {
      return {data, static_cast<std::size_t>(size)};
    }
    PyErr_Clear();  // half a surrogate pair is a field, but neither a number nor a category
    encoded_.append(text.attr("encode")("utf-8", "surrogatepass"));
    return py::reinterpret_borrow<py::bytes>(encoded_[encoded_.size() - 1]);
  }

  py::tuple kept_;
  py::list encoded_;
  std::vector<std::string_view> views_;
};

// One column of a table: fields, or numbers already.
struct TableColumn {
  TableColumn(const py::handle& column, std::size_t index) {
    const std::string where = "column " + std::to_string(index);
    if (!py::isinstance<py::array>(column)) {
      fields.emplace(column, where);
      return;
    }
    const auto array = py::reinterpret_borrow<py::array>(column);
    if (array.ndim() != 1) throw py::value_error(where + ": an array with one axis is needed");
    if (std::string_view("OUT").find(array.dtype().kind()) != std::string_view::npos) {
      fields.emplace(column, where);
    } else if (py::isinstance<py::array_t<double>>(column)) {
      values = Values::ensure(column);  // copies where it has gaps
      if (!values) throw py::error_already_set();
    } else {  // integers beyond 2^53 would change
      throw py::type_error(where + ": strings or an array of float64 are needed");
    }
  }
  std::size_t size() const { return fields ? fields->size() : static_cast<std::size_t>(values.size()); }

  using Values = py::array_t<double, py::array::c_style>;
  Values values;
  std::optional<Fields> fields;
};

double too_large_for(const std::string& dtype) {
  if (dtype == dtype_name<float>()) return infinite_from<float>();
  if (dtype == dtype_name<double>()) return infinite_from<double>();
  fail<ValueError>("preprocessing: the dtype is ", dtype, ", float32 or float64 is needed");
}

// action(), whose errors begin with the row.
template <class Action>
auto in_row(std::size_t row, const Action& action) {
  try {
    return action();
  } catch (const NumericError& error) {
    fail<NumericError>("row ", row, ": ", error.what());
  } catch (const ValueError& error) {
    fail<ValueError>("row ", row, ": ", error.what());
  }
}

Preprocessing parse(const std::string& description) {
  return without_interpreter([&] { return Preprocessing::from_json(Json::parse(description)); });
}

py::tuple parse_numbers(const py::handle& sequence, const std::string& decimal, const std::string& thousands,
                        const std::vector<std::string>& missing_words) {
  const NumberFormat format{NumberFormat::decimal_from_text(decimal),
                            NumberFormat::thousands_from_text(thousands)};
  format.check();
  const MissingWords missing(missing_words);
  const Fields fields(sequence, "numbers");
  const auto rows = static_cast<py::ssize_t>(fields.size());
  py::array_t<double> values(rows);
  py::array_t<std::uint8_t> statuses(rows);
  double* const value = values.mutable_data();
  std::uint8_t* const status = statuses.mutable_data();
  without_interpreter([&] {
    for (std::size_t r = 0; r < fields.size(); ++r) {
      value[r] = std::numeric_limits<double>::quiet_NaN();
      status[r] = static_cast<std::uint8_t>(parse_number(fields[r], format, missing, value[r]));
    }
  });
  return py::make_tuple(values, statuses);
}

std::vector<std::string> number_texts(const py::array_t<double>& values) {
  const std::size_t count = static_cast<std::size_t>(values.size());
  const double* from = numbers<double>(values, count, "number_texts");
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < count; ++i) strings.push_back(number_text(from[i]));
  return strings;
}

// Fields whose UTF-8 is looked up before they are encoded without the interpreter: a table may be larger than
// the memory that this takes.
constexpr std::size_t kFieldsAtOnce = std::size_t{1} << 20;

// Column c of x (N, features); keep[r] becomes false where a missing field drops the row.
void encode_column(const TableEncoder& encoder, std::size_t c, const TableColumn& column, double* x,
                   bool* keep) {
  const double* const values = column.fields ? nullptr : column.values.data();
  for (std::size_t r = 0; r < column.size(); ++r) {
    double* const out = x + r * encoder.feature_count();
    keep[r] &= in_row(r, [&] {
      return values ? encoder.encode_value(c, values[r], out)
                    : encoder.encode_field(c, (*column.fields)[r], out);
    });
  }
}

// (X (N, features), kept (N,)) of a table's columns, encoded and standardised.
py::tuple encode_columns(const std::string& preprocessing, const py::sequence& sequence,
                         const std::string& dtype) {
  const TableEncoder encoder(parse(preprocessing), too_large_for(dtype));
  const py::tuple columns(sequence);
  if (columns.size() != encoder.column_count()) {
    fail<ShapeError>("preprocessing: the table has ", columns.size(), " columns, the model expects ",
                     encoder.column_count());
  }
  const std::size_t rows = TableColumn(columns[0], 0).size();
  py::array_t<double> x({rows, encoder.feature_count()});
  py::array_t<bool> kept(static_cast<py::ssize_t>(rows));
  double* const to = x.mutable_data();
  bool* const keep = kept.mutable_data();
  std::fill_n(keep, rows, true);
  const std::size_t most = std::max<std::size_t>(1, kFieldsAtOnce / std::max<std::size_t>(1, rows));
  for (std::size_t begin = 0; begin < columns.size(); begin += most) {
    std::vector<TableColumn> part;
    for (std::size_t c = begin; c < std::min(columns.size(), begin + most); ++c) {
      part.emplace_back(columns[c], c);
      if (part.back().size() != rows) {
        fail<ShapeError>("preprocessing: column ", c, " has ", part.back().size(), " rows, column 0 has ",
                         rows);
      }
    }
    without_interpreter([&] {
      for (std::size_t i = 0; i < part.size(); ++i) encode_column(encoder, begin + i, part[i], to, keep);
    });
  }
  return py::make_tuple(x, kept);
}

// x (N, …), standardised; the result must be finite in the dtype.
py::array_t<double> standardise_rows(const std::string& preprocessing, const py::array_t<double>& x,
                                     const std::string& dtype) {
  const Preprocessing p = parse(preprocessing);
  const double too_large = too_large_for(dtype);
  const std::size_t rows = row_count(x);
  const std::size_t features = rows ? static_cast<std::size_t>(x.size()) / rows : 0;
  const double* from = numbers<double>(x, static_cast<std::size_t>(x.size()), "preprocessing");
  py::array_t<double> out(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
  double* to = out.mutable_data();
  without_interpreter([&] {
    std::copy_n(from, rows * features, to);
    p.standardise(rows, features, to);
    for (std::size_t i = 0; i < rows * features; ++i) {
      if (std::fabs(to[i]) < too_large) continue;
      const char* const what = std::isnan(from[i])   ? "NaN, a finite number is needed"
                               : std::isinf(from[i]) ? "infinite, a finite number is needed"
                                                     : nullptr;
      if (what) fail<ValueError>("row ", i / features, ": feature ", i % features, " is ", what);
      fail<ValueError>("row ", i / features, ": feature ", i % features, " is ", from[i], ", too large for ",
                       dtype, " when it is standardised");
    }
  });
  return out;
}

// For each feature of a table the index of its column, and whether it is 0 or 1.
py::tuple features_of(const std::string& preprocessing) {
  const Preprocessing p = parse(preprocessing);
  const auto count = static_cast<py::ssize_t>(p.feature_count());
  py::array_t<std::int64_t> column_of(count);
  py::array_t<bool> indicator(count);
  py::ssize_t feature = 0;
  for (std::size_t c = 0; c < p.columns.size(); ++c) {
    for (std::size_t i = 0; i < p.columns[c].feature_count(); ++i, ++feature) {
      column_of.mutable_at(feature) = static_cast<std::int64_t>(c);
      indicator.mutable_at(feature) = p.columns[c].is_indicator(i);
    }
  }
  return py::make_tuple(column_of, indicator);
}

void check_preprocessing(const std::string& preprocessing,
                         const std::optional<std::vector<std::size_t>>& input_shape,
                         const std::optional<std::vector<std::size_t>>& output_shape) {
  const Preprocessing p = parse(preprocessing);
  if (input_shape && output_shape) p.check_network(Shape(*input_shape), Shape(*output_shape));
}

// The outputs (N, count) of a batch.
struct Outputs {
  explicit Outputs(const py::array_t<double>& array) : rows(row_count(array)) {
    if (array.ndim() != 2 || array.shape(1) == 0) {
      fail<ShapeError>("answers: outputs of shape (N, outputs) are needed");
    }
    count = static_cast<std::size_t>(array.shape(1));
    data = numbers<double>(array, rows * count, "answers");
  }
  const double* row(std::size_t r) const { return data + r * count; }

  std::size_t rows, count = 0;
  const double* data = nullptr;
};

py::array_t<std::int64_t> decide_rows(const std::string& kind_name, const py::array_t<double>& array) {
  const OutputKind kind = output_kind_from_text(kind_name);
  const Outputs outputs(array);
  py::array_t<std::int64_t> result(static_cast<py::ssize_t>(outputs.rows));
  std::int64_t* to = result.mutable_data();
  for (std::size_t r = 0; r < outputs.rows; ++r) {
    to[r] = in_row(r, [&] { return static_cast<std::int64_t>(decide(kind, outputs.row(r), outputs.count)); });
  }
  return result;
}

py::array_t<double> probability_rows(const std::string& kind_name, const py::array_t<double>& array) {
  const OutputKind kind = output_kind_from_text(kind_name);
  const Outputs outputs(array);
  const std::size_t classes = class_count(kind, outputs.count);
  py::array_t<double> result({outputs.rows, classes});
  double* to = result.mutable_data();
  for (std::size_t r = 0; r < outputs.rows; ++r) {
    in_row(r, [&] { probabilities(kind, outputs.row(r), outputs.count, to + r * classes); });
  }
  return result;
}

py::array_t<double> rescale_rows(double mean, double scale, const py::array_t<double>& array) {
  const Outputs outputs(array);
  py::array_t<double> result({outputs.rows, outputs.count});
  double* to = result.mutable_data();
  std::copy_n(outputs.data, outputs.rows * outputs.count, to);
  for (std::size_t r = 0; r < outputs.rows; ++r) {
    in_row(r, [&] { rescale(mean, scale, to + r * outputs.count, outputs.count); });
  }
  return result;
}

}  // namespace

void register_tables(py::module_& module) {
  module.attr("NUMBER") = static_cast<int>(NumberStatus::kNumber);
  module.attr("MISSING") = static_cast<int>(NumberStatus::kMissing);
  module.attr("NOT_A_NUMBER") = static_cast<int>(NumberStatus::kNotANumber);
  module.attr("NOT_FINITE") = static_cast<int>(NumberStatus::kNotFinite);
  module.attr("blanks") = std::string(kBlanks);
  module.def("missing_words", &default_missing_words);
  module.def("parse_numbers", &parse_numbers, py::arg("fields"), py::arg("decimal"), py::arg("thousands"),
             py::arg("missing"));
  module.def("number_texts", &number_texts, py::arg("values"));
  module.def("encode_columns", &encode_columns, py::arg("preprocessing"), py::arg("columns"),
             py::arg("dtype"));
  module.def("standardise", &standardise_rows, py::arg("preprocessing"), py::arg("x"), py::arg("dtype"));
  module.def("features", &features_of, py::arg("preprocessing"));
  module.def("check_preprocessing", &check_preprocessing, py::arg("preprocessing"),
             py::arg("input_shape") = py::none(), py::arg("output_shape") = py::none());
  module.def("decide", &decide_rows, py::arg("output"), py::arg("outputs"));
  module.def("probabilities", &probability_rows, py::arg("output"), py::arg("outputs"));
  module.def("rescale", &rescale_rows, py::arg("mean"), py::arg("scale"), py::arg("outputs"));
}

}  // namespace bpnet::bindings
