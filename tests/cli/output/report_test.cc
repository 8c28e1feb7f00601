#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cli/output/report_text.h"
#include "support/json_schema.h"

namespace transship::cli {
namespace {

engine::Report sample() {
  engine::Report report;
  engine::ItemReport good{.source = "hub.example.com/app:1",
                          .target = "eu.example.com/app:1",
                          .digest = "sha256:" + std::string(64, 'a'),
                          .outcome = engine::ItemOutcome::kCopied,
                          .totals = {.bytes_sent = 2048,
                                     .blobs_sent = 3,
                                     .manifests_put = 1,
                                     .waiting = {.source = std::chrono::milliseconds(1200),
                                                 .target = std::chrono::milliseconds(5)}},
                          .referrers = 2,
                          .took = std::chrono::milliseconds(1500),
                          .error = std::nullopt,
                          .note = {}};
  engine::ItemReport bad = good;
  bad.target = "us.example.com/app:1";
  bad.outcome = engine::ItemOutcome::kFailed;
  bad.error = Error{.code = Errc::kDenied,
                    .message = "push manifest: HTTP 403 \x1b[31mdenied",
                    .side = Side::kTarget,
                    .http_status = 403,
                    .hint = "ask for push rights"};
  report.items = {good, bad};
  report.targets["eu.example.com/app"] = good.totals;
  report.requests["hub.example.com"].manifest_get = 1;
  report.requests["hub.example.com"].blob_get = 3;
  report.source_bytes = 2048;
  report.took = std::chrono::milliseconds(1500);
  return report;
}

TEST(ReportTest, JsonHasWhatMovedAndWhatFailed) {
  const auto root = boost::json::parse(report_json(sample(), false)).as_object();
  EXPECT_EQ(root.at("version").as_int64(), 1);
  EXPECT_FALSE(root.at("ok").as_bool());
  ASSERT_EQ(root.at("items").as_array().size(), 2U);
  const auto& failed = root.at("items").as_array()[1].as_object();
  EXPECT_EQ(failed.at("outcome").as_string(), "failed");
  EXPECT_EQ(failed.at("error").as_object().at("httpStatus").as_int64(), 403);
  EXPECT_EQ(failed.at("error").as_object().at("side").as_string(), "target");
  EXPECT_EQ(
      root.at("requests").as_object().at("hub.example.com").as_object().at("total").as_int64(), 4);
}

TEST(ReportTest, WhatFailedAloneIsForWhoWantsQuiet) {
  const std::string text = failures_text(sample());
  EXPECT_NE(text.find("us.example.com/app:1"), std::string::npos);
  EXPECT_EQ(text.find("eu.example.com/app:1"), std::string::npos);
  EXPECT_EQ(text.find("requests"), std::string::npos);
}

TEST(ReportTest, ADryRunClaimsToHaveDoneNothing) {
  const std::string text = report_text(sample(), true);
  for (const char* planned : {"to send", "to put", "to be read from the source"}) {
    EXPECT_NE(text.find(planned), std::string::npos) << text;
  }
  EXPECT_EQ(text.find("\nsent "), std::string::npos) << text;
}

engine::Report of_jobs() {
  engine::Report report = sample();
  engine::JobReport job;
  job.name = "fleet";
  job.repositories = 7;
  job.targets["eu.example.com"] = {.copied = 3, .unchanged = 40, .failed = 1};
  job.incomplete = {"hub.example.com/team/app"};
  job.out_of_time = true;
  job.left = 12;
  job.latency = {.p50 = std::chrono::milliseconds(80), .p99 = std::chrono::milliseconds(900)};
  job.target_latency["eu.example.com"] = {.p50 = std::chrono::milliseconds(70),
                                          .p99 = std::chrono::milliseconds(800)};
  report.jobs = {job};
  return report;
}

TEST(ReportTest, JobsAreToldWithWhatIsLeft) {
  const auto root = boost::json::parse(report_json(of_jobs(), false)).as_object();
  const auto& job = root.at("jobs").as_array().at(0).as_object();
  EXPECT_EQ(job.at("left").as_int64(), 12);
  EXPECT_EQ(job.at("p99Milliseconds").as_int64(), 900);
  EXPECT_EQ(
      job.at("targets").as_object().at("eu.example.com").as_object().at("unchanged").as_int64(),
      40);
  const std::string text = report_text(of_jobs(), false);
  EXPECT_NE(text.find("eu.example.com: 3 copied, 40 unchanged, 1 FAILED; first request to tag: "
                      "70 ms (half of them), 800 ms (99 of 100)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("time was up: 12 artifacts"), std::string::npos);
  EXPECT_NE(text.find("hub.example.com/team/app: its listing was cut short"), std::string::npos);
}

TEST(ReportTest, ManyFailuresAreNotAllShown) {
  engine::Report report = of_jobs();
  for (int i = 0; i < 500; ++i) report.items.push_back(report.items[1]);
  const std::string text = report_text(report, false);
  EXPECT_LT(std::ranges::count(text, '\n'), 230);
  EXPECT_NE(text.find("and 401 more: see --report"), std::string::npos) << text;
  EXPECT_EQ(text.find("copied    hub"), std::string::npos) << text;
}

TEST(ReportTest, ARunWithAnIncompleteListIsNotOk) {
  engine::Report report;
  report.jobs.emplace_back();
  EXPECT_TRUE(report.ok());
  report.jobs[0].incomplete = {"hub.example.com/team/app"};
  EXPECT_FALSE(report.ok());
}

TEST(ReportTest, TextNamesTheFailureAndWhatToDo) {
  const std::string text = report_text(sample(), false);
  EXPECT_NE(text.find("us.example.com/app:1"), std::string::npos);
  EXPECT_NE(text.find("HTTP 403"), std::string::npos);
  EXPECT_NE(text.find("ask for push rights"), std::string::npos);
  EXPECT_NE(text.find("sent 2.0 KiB in 3 blobs"), std::string::npos);
  EXPECT_NE(text.find("hub.example.com: 4 requests: 1 manifest GET, 3 blob GET"),
            std::string::npos);
}

TEST(ReportTest, WhatWasWaitedForIsToldByCause) {
  const std::string text = report_text(sample(), false);
  // What is too short to matter is not.
  EXPECT_NE(text.find("waited, added up: 1.2 s for the source\n"), std::string::npos) << text;
  const auto root = boost::json::parse(report_json(sample(), false)).as_object();
  const auto& waiting = root.at("targets").at("eu.example.com/app").at("waiting");
  EXPECT_EQ(waiting.at("sourceMilliseconds").as_int64(), 1200);
  EXPECT_EQ(waiting.at("targetMilliseconds").as_int64(), 5);
}

TEST(ReportTest, ReportsAreAsTheSchemaSays) {
  EXPECT_EQ(test::report_violations(report_json(sample(), false)), "");
  EXPECT_EQ(test::report_violations(report_json(of_jobs(), true)), "");
  engine::Report noted = of_jobs();
  noted.items[0].note = "foreign layers stay at their urls";
  noted.warnings = {"a warning"};
  noted.items_omitted = 7;
  EXPECT_EQ(test::report_violations(report_json(noted, false)), "");
}

TEST(ReportTest, AReportThatTheSchemaDoesNotDescribeIsFound) {
  boost::json::value report = boost::json::parse(report_json(of_jobs(), false));
  const auto problems = [&] { return test::report_violations(boost::json::serialize(report)); };
  auto& item = report.as_object()["items"].as_array()[0].as_object();
  item["colour"] = "red";
  EXPECT_EQ(problems(), "items[0].colour: the schema does not have it\n");
  item.erase("colour");
  item.erase("digest");
  EXPECT_EQ(problems(), "items[0]: digest is missing\n");
  item["digest"] = 5;
  EXPECT_EQ(problems(), "items[0].digest: 5 is no string\n");
  item["digest"] = "";
  item["outcome"] = "eaten";
  EXPECT_EQ(problems(), "items[0].outcome: \"eaten\" is none of the values\n");
  item["outcome"] = "copied";
  item["milliseconds"] = -1;
  EXPECT_EQ(problems(), "items[0].milliseconds: -1 is too small\n");
  item["milliseconds"] = 1;
  report.as_object()["version"] = 2;
  EXPECT_EQ(problems(), "version: 2 is not the constant\n");
}

TEST(ReportTest, WhatASignalEndedSaysSo) {
  const auto told = [](const engine::Report& report) {
    const std::string text = report_json(report, false);
    EXPECT_EQ(test::report_violations(text), "");
    return boost::json::parse(text).at("interrupted").as_bool();
  };
  EXPECT_FALSE(told(sample()));
  EXPECT_EQ(report_text(sample(), false).find("interrupted"), std::string::npos);
  engine::Report copy = sample(), pass = of_jobs();
  copy.interrupted = true;
  EXPECT_TRUE(told(copy));
  EXPECT_NE(report_text(copy, false).find("interrupted: the same copy again"), std::string::npos);
  EXPECT_FALSE(told(pass));
  pass.jobs[0].interrupted = true;
  EXPECT_TRUE(told(pass));
}

TEST(ReportTest, RemoteTextReachesNoTerminal) {
  EXPECT_EQ(report_text(sample(), false).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace transship::cli
