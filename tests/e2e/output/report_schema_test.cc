// Reports of real runs, good and bad, are as docs/report.schema.json says.
#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

class ReportSchema : public SyncRig {
 protected:
  // A copy with --json; its report.
  boost::json::value copied(std::vector<std::string> arguments, int code) const {
    arguments.insert(arguments.begin(), "copy");
    arguments.push_back("--json");
    const Outcome done = transship(arguments, home_);
    EXPECT_EQ(done.code, code) << shown(done);
    EXPECT_EQ(test::report_violations(done.out), "") << done.out;
    return boost::json::parse(done.out);
  }
  static std::int64_t waited(const boost::json::value& report, const std::string& target,
                             const std::string& cause) {
    return report.at("targets").at(target).at("waiting").at(cause).as_int64();
  }
};

TEST_F(ReportSchema, OfCopiesWhateverBecomesOfThem) {
  Served source, eu;
  push(source.http(), "app", test::make_release({.tag = "1.0"}, false));
  push_image(eu, "app", "2.0", 9);
  const std::string from = source.host() + "/app", to = eu.host() + "/app";
  (void)copied({"--dry-run", from + ":1.0", to + ":1.0"}, 0);
  const auto report = copied({from + ":1.0", to + ":1.0"}, 0);
  EXPECT_EQ(report.at("items").at(0).at("outcome").as_string(), "copied");
  EXPECT_EQ(copied({from + ":1.0", to + ":1.0"}, 0).at("items").at(0).at("outcome").as_string(),
            "unchanged");
  const auto kept = copied({"--overwrite", "never", from + ":1.0", to + ":2.0"}, 0);
  EXPECT_EQ(kept.at("items").at(0).at("outcome").as_string(), "skipped");
  EXPECT_FALSE(kept.at("items").at(0).at("note").as_string().empty());
  const auto failed = copied({from + ":none", to + ":none"}, 1);
  EXPECT_EQ(failed.at("items").at(0).at("error").at("httpStatus").as_int64(), 404);
  (void)copied({"--all-tags", from, to}, 0);
}

// A layout's answers are the disk's, not those of a target or a source.
TEST_F(ReportSchema, WhatALayoutWaitedForIsTheDisk) {
  Served source;
  push_image(source, "app", "v1", 1);
  const std::string layout = "oci:" + (files_ / "layout").string();
  const auto out = copied({source.host() + "/app:v1", layout + ":v1"}, 0);
  const std::string name(out.at("targets").as_object().begin()->key());
  EXPECT_EQ(waited(out, name, "targetMilliseconds"), 0);
  EXPECT_EQ(waited(out, name, "rateLimitMilliseconds"), 0);
  const auto back = copied({layout + ":v1", source.host() + "/back:v1"}, 0);
  EXPECT_EQ(waited(back, source.host() + "/back", "sourceMilliseconds"), 0);
}

TEST_F(ReportSchema, OfPassesWithAllKindsOfEnds) {
  Served source, eu;
  push_image(source, "app", "same", 1);
  push_image(source, "app", "kept", 2);
  push_image(source, "app", "new", 3);
  push_image(eu, "app", "same", 1);
  push_image(eu, "app", "kept", 9);
  AnsweringProxy lying(source.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().find("/manifests/new") == std::string::npos) return std::nullopt;
    return BadRegistry::error("404 Not Found", "MANIFEST_UNKNOWN");
  });
  const std::string file =
      job(lying.host(), {eu.host()}, "overwrite = \"never\"\nreferrers = \"none\"\n");
  const Outcome plan = transship({"plan", "-c", file, "--json"}, home_);
  EXPECT_EQ(test::report_violations(plan.out), "") << plan.out;
  const Pass done = pass(file);  // It looks by itself.
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  for (const std::string end : {"unchanged", "skipped", "failed"}) {
    EXPECT_EQ(done.count(eu.host(), end), 1U) << end;
  }
}

}  // namespace
}  // namespace transship::e2e
