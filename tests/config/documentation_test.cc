// docs/configuration.md and what is read, held against each other in both directions.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "config/config.h"
#include "registry/options.h"
#include "scheduler/options.h"

namespace transship::config {
namespace {

struct Row {
  std::string type, default_value, meaning;
};

// The tables of keys, by key.
std::map<std::string, Row> documented() {
  const auto file = std::filesystem::path(__FILE__).parent_path() / "../../docs/configuration.md";
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::regex row(
      "\\n\\| `((?:registry|defaults|job)\\.[a-z_.]+)` \\| ([^|]*?) ?\\| ([^|]*?) ?\\| ([^\\n]*) "
      "\\|");
  std::map<std::string, Row> out;
  for (std::sregex_iterator it(text.begin(), text.end(), row), end; it != end; ++it) {
    const bool first =
        out.emplace((*it)[1], Row{.type = (*it)[2], .default_value = (*it)[3], .meaning = (*it)[4]})
            .second;
    EXPECT_TRUE(first) << (*it)[1] << " is there twice";
  }
  return out;
}

// What stands in `code` of a cell: "`auto`, `on`" is auto and on; "`\"all\"` or ..." is all.
std::vector<std::string> code_words(const std::string& cell) {
  const std::regex code("`\"?([^`\"]+)\"?`");
  std::vector<std::string> out;
  for (std::sregex_iterator it(cell.begin(), cell.end(), code), end; it != end; ++it) {
    out.push_back((*it)[1]);
  }
  return out;
}

// A file that is right but for `key = value`, which replaces what it has of the key.
std::string file_with(const std::string& key, const std::string& value) {
  const auto dot = key.find('.');
  const std::string table = key.substr(0, dot), name = key.substr(dot + 1);
  const std::string line = name + " = " + value + "\n";
  std::map<std::string, std::string> job = {{"name", "name = \"a\"\n"},
                                            {"source", "source = \"hub.example.com\"\n"},
                                            {"targets", "targets = [\"eu.example.com\"]\n"}};
  std::string rename;
  if (name.starts_with("rename.")) {
    const bool from = name == "rename.from";
    rename = fmt::format("[[job.rename]]\nfrom = {}\nto = {}\n", from ? value : "\"old\"",
                         from ? "\"new\"" : value);
  } else if (table == "job") {
    job[name] = line;
  }
  std::string out = table == "registry"   ? "[registry.\"hub.example.com\"]\n" + line
                    : table == "defaults" ? "[defaults]\n" + line
                                          : "";
  // Of two that belong together the other one is there.
  if (name == "tls.cert") out += "tls.key = \"/x\"\n";
  if (name == "tls.key") out += "tls.cert = \"/x\"\n";
  if (name == "username") out += "password_file = \"/x\"\n";
  if (name.starts_with("password_")) out += "username = \"x\"\n";
  out += "[[job]]\n";
  for (const auto& [key_of, text] : job) out += text;
  return out + rename;
}

// What is wrong with it: "" for nothing.
std::string wrong_with(const std::string& key, const std::string& value) {
  const auto config = parse_config(file_with(key, value), "jobs.toml");
  return config ? "" : config.error().message;
}

std::string text(const std::string& word) { return '"' + word + '"'; }

// A value that is right, for each kind of "type, unit".
std::vector<std::string> right_values(const std::string& key, const Row& row) {
  static const std::map<std::string, std::string> kByType = {
      {"path", text("/file")},
      {"string", text("word")},
      {"boolean", "true"},
      {"list of globs", R"(["v*"])"},
      {"list of hosts", R"(["sso.example.net"])"},
      {"range", text("^1.4")},
      {"name, or prefix with `/`", text("app")},
      {"`host[/prefix]`", text("hub.example.com/team")},
      {"list of `host[/prefix]`", R"(["us.example.com", "ap.example.com/mirror"])"},
      {"list of `repository@digest`",
       R"(["app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])"}};
  static const std::map<std::string, std::vector<std::string>> kTables = {
      {"defaults.repositories", {R"({ include = ["app/**"] })"}},
      {"defaults.tags", {"{ latest = 3 }"}},
      {"defaults.platforms", {text("all"), R"(["linux/amd64"])"}},
      {"defaults.referrers", {text("all"), text("none")}},
      {"defaults.overwrite", {text("always"), text("never")}},
      {"job.platforms", {text("all"), R"(["linux/arm64/v8"])"}},
      {"job.referrers", {text("all"), text("none"), R"(["application/spdx+json"])"}}};
  if (const auto found = kTables.find(key); found != kTables.end()) return found->second;
  if (const auto found = kByType.find(row.type); found != kByType.end()) return {found->second};
  std::smatch bounds;
  if (std::regex_match(row.type, bounds, std::regex("(\\d+) to (\\d+)"))) {
    return {bounds[1], bounds[2]};
  }
  std::vector<std::string> out;
  // A profile's names stand in its meaning.
  for (const auto& word : code_words(row.type == "name" ? row.meaning : row.type)) {
    out.push_back(text(word));
  }
  return out;
}

TEST(Documentation, NamesWhatIsReadAndNothingElse) {
  std::set<std::string> named;
  for (const auto& [key, row] : documented()) named.insert(key);
  const auto read = config_keys();
  EXPECT_EQ(named, std::set<std::string>(read.begin(), read.end()));
  EXPECT_GE(named.size(), 35U);
}

TEST(Documentation, SaysOfEachKeyItsUnitItsDefaultAndWhatItMeans) {
  for (const auto& [key, row] : documented()) {
    EXPECT_FALSE(row.type.empty()) << key;
    EXPECT_FALSE(row.default_value.empty()) << key;
    EXPECT_FALSE(row.meaning.empty()) << key;
  }
}

TEST(Documentation, EveryKeyIsAcceptedWithTheValuesThatAreNamed) {
  for (const auto& [key, row] : documented()) {
    const auto values = right_values(key, row);
    EXPECT_FALSE(values.empty()) << key << ": " << row.type;
    for (const auto& value : values) {
      EXPECT_EQ(wrong_with(key, value), "") << key << " = " << value;
    }
    // No key takes whatever stands there.
    EXPECT_NE(wrong_with(key, "1.5"), "") << key;
  }
}

TEST(Documentation, BoundsAreThoseOfTheReader) {
  std::size_t bounded = 0;
  for (const auto& [key, row] : documented()) {
    std::smatch bounds;
    if (!std::regex_match(row.type, bounds, std::regex("(\\d+) to (\\d+)"))) continue;
    ++bounded;
    for (const long beyond : {std::stol(bounds[1]) - 1, std::stol(bounds[2]) + 1}) {
      EXPECT_NE(wrong_with(key, std::to_string(beyond)), "") << key << " = " << beyond;
    }
  }
  EXPECT_EQ(bounded, 2U);
}

TEST(Documentation, NamesEveryProfile) {
  EXPECT_EQ(code_words(documented().at("registry.profile").meaning), registry::profile_names());
}

TEST(Documentation, TellsTheDefaultsOfTheCode) {
  const JobConfig one;
  const RegistryConfig host;
  const scheduler::Options gates;
  const auto duration = [](std::chrono::milliseconds time) {
    return fmt::format("`{}m`", std::chrono::duration_cast<std::chrono::minutes>(time).count());
  };
  const std::map<std::string, std::string> defaults = {
      {"registry.tls.mode", "`" + host.tls_mode + "`"},
      {"registry.tls.ca", host.tls_ca.empty() ? "none" : "?"},
      {"registry.username", host.secret.username.empty() ? "none" : "?"},
      {"registry.allow_private_redirects", host.allow_private_redirects ? "`true`" : "`false`"},
      {"registry.max_connections",
       fmt::format("`--max-connections`, else {}", gates.max_connections)},
      {"registry.max_retry_after", "`--max-retry-after`, else " + duration(gates.max_retry_after)},
      {"registry.give_up_after", "`--give-up-after`, else " + duration(gates.give_up_after)},
      {"registry.bandwidth", host.bandwidth == 0 ? "`--bandwidth`, else none" : "?"},
      {"job.tags.latest", one.tags.latest == 0 ? "all" : "?"},
      {"job.tags.sort", "`" + one.tags.sort + "`"},
      {"job.platforms", one.platforms.empty() ? "`\"all\"`" : "?"},
      {"job.referrers", "`\"" + one.referrers + "\"`"},
      {"job.overwrite", "`" + one.overwrite + "`"},
      {"defaults.platforms", one.platforms.empty() ? "`\"all\"`" : "?"},
      {"defaults.referrers", "`\"" + one.referrers + "\"`"},
      {"defaults.overwrite", "`" + one.overwrite + "`"}};
  const auto rows = documented();
  for (const auto& [key, value] : defaults) EXPECT_EQ(rows.at(key).default_value, value) << key;
}

}  // namespace
}  // namespace transship::config
