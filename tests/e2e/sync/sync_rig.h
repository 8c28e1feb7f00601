#pragma once

#include <boost/json/parse.hpp>
#include <string>
#include <vector>

#include "e2e/answering_proxy.h"
#include "support/json_schema.h"

namespace transship::e2e {

/// Passes between `serve` registries, some behind an AnsweringProxy: what tests of bad input share.
class SyncRig : public ::testing::Test {
 protected:
  using Fault = AnsweringProxy::Fault;

  static TestContent image(const std::string& tag, std::uint64_t seed) {
    return test::make_image({.tag = tag, .layers = 2, .layer_bytes = 3'000, .seed = seed});
  }
  static void push_image(const RealRegistry& to, const std::string& repository,
                         const std::string& tag, std::uint64_t seed) {
    push(to.http(), repository, image(tag, seed));
  }
  /// What is not at `to` as it was pushed: "" when all is.
  static std::string lacking(const RealRegistry& to, const std::string& repository,
                             const std::string& tag, std::uint64_t seed) {
    return differences(to.http(), repository, image(tag, seed));
  }
  static int status_of(const RealRegistry& at, const std::string& repository,
                       const std::string& tag) {
    return at.http().get("/v2/" + repository + "/manifests/" + tag).status;
  }

  /// A file with one job, without referrers unless `more` says so.
  std::string job(const std::string& source, const std::vector<std::string>& targets,
                  const std::string& more = "referrers = \"none\"\n") const {
    std::string list;
    for (const auto& target : targets) list += "\"" + target + "\", ";
    return files_.write("jobs.toml", "[[job]]\nname = \"fleet\"\nsource = \"" + source +
                                         "\"\ntargets = [" + list + "]\n" + more);
  }

  /// Puts [registry."HOST"] with `keys` before what the file of jobs has.
  void say_of(const std::string& host, const std::string& keys) const {
    files_.write("jobs.toml", "[registry.\"" + host + "\"]\n" + keys + files_.read("jobs.toml"));
  }

  struct Pass {
    Outcome outcome;
    boost::json::value report;

    std::uint64_t count(const std::string& target, const std::string& what,
                        std::size_t job = 0) const {
      return report.at("jobs").at(job).at("targets").at(target).at(what).to_number<std::uint64_t>();
    }
    /// Messages and hints of what failed at `target`, a line each.
    std::string failures(const std::string& target) const {
      std::string out;
      for (const auto& item : report.at("items").as_array()) {
        const auto& one = item.as_object();
        if (!one.contains("error") || !one.at("target").as_string().starts_with(target)) continue;
        const auto& error = one.at("error").as_object();
        out += std::string(one.at("target").as_string()) + ": ";
        out += std::string(error.at("message").as_string());
        if (error.contains("hint")) out += " / " + std::string(error.at("hint").as_string());
        out += "\n";
      }
      return out;
    }
  };
  /// One pass; its report is as the schema says, whatever happened.
  Pass pass(const std::string& file, std::vector<std::string> more = {}) const {
    const std::string path = (files_ / "report.json").string();
    std::vector<std::string> argv = {"sync", "-c", file, "--report", path};
    argv.insert(argv.end(), more.begin(), more.end());
    Pass out{.outcome = transship(argv, home_, std::chrono::seconds(120)), .report = {}};
    const std::string text = files_.read("report.json");
    if (text.empty()) {
      ADD_FAILURE() << "no report: " << shown(out.outcome);
      return out;
    }
    EXPECT_EQ(test::report_violations(text), "") << shown(out.outcome);
    out.report = boost::json::parse(text);
    return out;
  }

  TempDir files_;
  Home home_;
};

}  // namespace transship::e2e
