// Models from raw fields to answers, in two uses:
//
//   model FOLDER       checks what the headers promise, with files in FOLDER: prints "ok" and returns 0, or
//                      prints each check that failed and returns 1
//   model FILE ROWS    predicts the rows of a model file. Fields end with U+001F, rows with U+001E. One
//                      line for each row, then one for each row that has an answer, computed as one batch:
//                      "dropped", "class INDEX NAME PROBABILITY…" or "values VALUE…", floats in hexadecimal.
#include <bpnet/bpnet.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

int failures = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("failed: %s\n", what.c_str());
  ++failures;
}

template <class Kind, class Action>
void expect(const Action& action, const std::string& message, const std::string& what) {
  try {
    action();
  } catch (const Kind& error) {
    const std::string text = error.what();
    check(text.find(message) != std::string::npos, what + ": the message is '" + text + "'");
    return;
  } catch (const std::exception& error) {
    check(false, what + ": another kind of error: " + error.what());
    return;
  }
  check(false, what + ": no error");
}

using Rows = std::vector<std::vector<std::string>>;

// A table with every option of a column.
bpnet::Preprocessing flowers() {
  using namespace bpnet;
  Preprocessing p;
  p.columns.resize(6);
  p.columns[0] = {.name = "length", .format = {',', '.'}, .missing = Missing::kFill, .fill = 2.5};
  p.columns[1] = {.name = "width", .missing = Missing::kCategory, .fill = 1.0};
  p.columns[2] = {.name = "colour", .categories = {"red", "blue", "?"}, .unknown = Unknown::kIgnore};
  p.columns[3] = {.name = "soil", .categories = {"", "sand"}, .missing = Missing::kCategory};
  p.columns[4] = {.name = "leaf", .categories = {"a", "b"}, .missing = Missing::kFill, .fill_category = "b"};
  p.columns[5] = {.name = "height", .missing = Missing::kDrop};
  p.mean = {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 4};
  p.scale = {2, 4, 1, 1, 1, 1, 1, 1, 1, 1, 0.5};
  p.output = OutputKind::kLogits;
  p.classes = {"rose", "lily", "tulip"};
  return p;
}

bpnet::Network network_for(const bpnet::Preprocessing& p, std::size_t outputs) {
  return bpnet::Network({p.feature_count()}, {bpnet::linear(8), bpnet::tanh(), bpnet::linear(outputs)},
                        {.seed = 5});
}

void fields_become_features() {
  const bpnet::TableEncoder encoder(flowers());
  std::vector<double> x(encoder.feature_count());
  const auto encoded = [&](const std::vector<std::string>& fields, const std::vector<double>& expected) {
    check(encoder.encode(fields, x.data()) && x == expected, "a row is encoded as other numbers");
  };
  encoded({"1.234,5", " 6 ", "blue", "sand", "a", "5"}, {616.75, 1, 0, 0, 1, 0, 0, 1, 1, 0, 2});
  encoded({"", "NaN", "?", "n/a", "-", "4"}, {0.75, -0.25, 1, 0, 0, 1, 1, 0, 0, 1, 0});
  encoded({"1", "2", "green", "", "b", "4"}, {0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0});
  check(!encoder.encode({"1", "2", "red", "", "a", "null"}, x.data()), "a row with a hole is not dropped");

  const auto refused = [&](const std::vector<std::string>& fields, const std::string& message) {
    expect<bpnet::Error>([&] { encoder.encode(fields, x.data()); }, message, "a row");
  };
  refused({"1.5", "2", "red", "", "a", "4"}, "column 'length': '1.5' is not a number");
  refused({"1", "1e999", "red", "", "a", "4"}, "column 'width': '1e999' is too large");
  refused({"1", "2", "NA", "", "a", "4"}, "column 'colour': 'NA' is missing");
  refused({"1", "2", "red", "clay", "a", "4"}, "column 'soil': 'clay' was not among the categories");
  refused({"1", "x", "red", "", "a", ""}, "column 'width': 'x' is not a number");
  refused({"1", "2"}, "the row has 2 fields, the model expects 6");
}

void a_model_file_answers(const std::string& folder) {
  const std::string path = folder + "/model_answers.safetensors";
  const bpnet::Preprocessing p = flowers();
  bpnet::Network network = network_for(p, 3);
  network.preprocessing = p.describe();
  bpnet::save(network, path);
  bpnet::Model model = bpnet::load_model(path);
  check(model.preprocessing().describe().dump() == p.describe().dump(),
        "the preprocessing changes in a file");

  const std::vector<std::string> fields{"1,5", "2", "red", "sand", "a", "4"};
  const bpnet::Prediction answer = model.predict(fields);
  std::vector<double> x(model.input_count()), outputs(model.output_count());
  check(model.encode(fields, x.data()), "a whole row is dropped");
  model.forward(x.data(), 1, outputs.data());
  double sum = 0;
  for (const double each : answer.probabilities) sum += each;
  check(answer.class_index == model.decide(outputs.data()) && std::fabs(sum - 1) < 1e-15, "another class");
  check(answer.class_name == p.classes[*answer.class_index], "another class's name");
  check(model.predict({"1,5", "2", "red", "sand", "a", ""}).dropped, "a row with a hole is answered");
  expect<bpnet::ValueError>([&] { model.predict(std::vector<double>(11, 0.5)); }, "trained on a table",
                            "numbers for a table");
  expect<bpnet::ValueError>([&] { model.predict({"1e39", "2", "red", "sand", "a", "4"}); },
                            "column 'length': '1e39' is too large", "a number beyond float32");
  expect<bpnet::ValueError>([&] { model.values(outputs.data(), x.data()); }, "gives classes", "values");
  outputs[1] = NAN;
  expect<bpnet::NumericError>([&] { model.decide(outputs.data()); }, "the network's output 1 is nan", "NaN");

  bpnet::Network wide = network_for(p, 4);
  wide.preprocessing = p.describe();
  bpnet::save(wide, path);
  expect<bpnet::FileFormatError>([&] { bpnet::load_model(path); },
                                 "3 classes need 3 outputs, the network has 4", "classes and outputs");
  bpnet::Network arrays({2}, {bpnet::linear(1)}, {.seed = 1});
  bpnet::save(arrays, path);
  bpnet::Model plain = bpnet::load_model(path);
  check(plain.predict(std::vector<double>{1, 2}).values.size() == 1, "a model of arrays has no value");
  expect<bpnet::ValueError>([&] { plain.predict({"1", "2"}); }, "trained on arrays", "fields for arrays");

  constexpr std::size_t crop = 5;
  bpnet::Network pictures({3, crop, crop}, {bpnet::flatten(), bpnet::linear(2)}, {.seed = 1});
  bpnet::Preprocessing kept;
  kept.output = bpnet::OutputKind::kLogits;
  kept.classes = {"cat", "dog"};
  kept.image = bpnet::ImageInput{{.size = 8, .mean = std::vector<float>(8 * 8 * 3)}, crop, false};
  pictures.preprocessing = kept.describe();
  bpnet::save(pictures, path);
  expect<bpnet::ValueError>([&] { bpnet::load_model(path).predict({"cat.jpg"}); }, "trained on photographs",
                            "fields for photographs");
  kept.image->crop = crop + 1;
  pictures.preprocessing = kept.describe();
  bpnet::save(pictures, path);
  expect<bpnet::FileFormatError>([&] { bpnet::load_model(path); }, "the network's input has (3, 5, 5)",
                                 "windows of another size");
  std::remove(path.c_str());
}

class Random {
 public:
  std::size_t below(std::size_t count) { return generator_() % count; }
  std::string text(std::string_view characters, std::size_t most) {
    std::string result;
    for (std::size_t i = below(most + 1); i > 0; --i) result += characters[below(characters.size())];
    return result;
  }

 private:
  std::mt19937 generator_{11};
};

// Whatever parses as a number is finite, in every format; for the sanitizers.
void any_text_is_parsed() {
  Random random;
  const bpnet::MissingWords missing;
  for (int i = 0; i < 200000; ++i) {
    const std::string field = random.text("0123456789012,,,...'' \xC2\xA0\xE2\x80\xAF\x99--++eENa?", 14);
    for (const bpnet::NumberFormat& format :
         {bpnet::NumberFormat{}, bpnet::NumberFormat{',', '.'}, bpnet::NumberFormat{',', ' '},
          bpnet::NumberFormat{'.', '\''}}) {
      double value = NAN;
      const auto status = bpnet::parse_number(field, format, missing, value);
      check(std::isfinite(value) == (status == bpnet::NumberStatus::kNumber), field);
    }
  }
}

// A damaged description is refused by a bpnet::Error, or encodes rows.
void damaged_descriptions() {
  Random random;
  const std::string whole = flowers().describe().dump();
  std::size_t read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = whole;
    for (std::size_t changes = 1 + random.below(3); changes > 0; --changes) {
      const std::size_t at = random.below(text.size());
      if (random.below(2)) text[at] = "0123456789-.eE[]{}\",: ntfu"[random.below(26)];
      else text.erase(at, 1 + random.below(8));
      if (text.empty()) text += '0';
    }
    try {
      const bpnet::TableEncoder encoder(bpnet::Preprocessing::from_json(bpnet::Json::parse(text)));
      ++read;
      std::vector<double> x(encoder.feature_count());
      std::vector<std::string> fields;
      for (std::size_t c = 0; c < encoder.column_count(); ++c)
        fields.push_back(random.text("0123.,redab?", 4));
      encoder.encode(fields, x.data());
    } catch (const bpnet::Error&) {
    }
  }
  check(read > 100, "nearly no damaged description is read");
}

Rows read_rows(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Rows rows(1);
  std::string field;
  for (auto at = std::istreambuf_iterator<char>(file); at != std::istreambuf_iterator<char>(); ++at) {
    if (*at == '\x1f') {
      rows.back().push_back(std::move(field));
      field.clear();
    } else if (*at == '\x1e') {
      rows.emplace_back();
    } else {
      field += *at;
    }
  }
  rows.pop_back();
  return rows;
}

void print(const std::vector<double>& values) {
  for (const double value : values) std::printf(" %a", value);
  std::printf("\n");
}

void answer(bpnet::Model& model, const Rows& rows) {
  std::vector<double> batch;
  for (const std::vector<std::string>& fields : rows) {
    std::vector<double> x(model.input_count());
    bpnet::Prediction answer;
    if (model.preprocessing().columns.empty()) {
      std::vector<double> numbers(fields.size());
      for (std::size_t i = 0; i < fields.size(); ++i) {
        bpnet::parse_number(fields[i], {}, bpnet::MissingWords(), numbers[i]);
      }
      answer = model.predict(numbers);
      model.encode(numbers, x.data());
    } else {
      answer = model.predict(fields);
      model.encode(fields, x.data());
    }
    if (answer.dropped) {
      std::printf("dropped\n");
      continue;
    }
    batch.insert(batch.end(), x.begin(), x.end());
    if (answer.class_index) {
      std::printf("class %zu %s", *answer.class_index, answer.class_name.c_str());
      print(answer.probabilities);
    } else {
      std::printf("values");
      print(answer.values);
    }
  }
  const std::size_t count = batch.size() / model.input_count(), width = model.output_count();
  std::vector<double> outputs(count * width);
  model.forward(batch.data(), count, outputs.data());
  const bpnet::Preprocessing& p = model.preprocessing();
  for (std::size_t r = 0; r < count; ++r) {
    const double* of_row = outputs.data() + r * width;
    if (p.classes.empty()) {
      std::vector<double> values(width);
      model.values(of_row, values.data());
      std::printf("values");
      print(values);
      continue;
    }
    const std::size_t index = model.decide(of_row);
    std::vector<double> probabilities(p.output == bpnet::OutputKind::kValues ? 0 : p.classes.size());
    if (!probabilities.empty()) model.probabilities(of_row, probabilities.data());
    std::printf("class %zu %s", index, p.classes[index].c_str());
    print(probabilities);
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count > 2) {
      bpnet::Model model = bpnet::load_model(arguments[1]);
      answer(model, read_rows(arguments[2]));
      return 0;
    }
    fields_become_features();
    a_model_file_answers(count > 1 ? arguments[1] : ".");
    any_text_is_parsed();
    damaged_descriptions();
  } catch (const std::exception& error) {
    std::printf("failed: %s\n", error.what());
    ++failures;
  }
  if (failures == 0) std::printf("ok\n");
  return failures == 0 ? 0 : 1;
}
