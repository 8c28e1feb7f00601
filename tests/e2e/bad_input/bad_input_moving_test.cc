// What changes under a pass while it runs: tags, repositories, targets.
#include <gmock/gmock.h>

#include <atomic>

#include "e2e/sync/sync_rig.h"
#include "support/http/port.h"

namespace transship::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kImages = 12;

class MovingWorlds : public SyncRig {
 protected:
  static std::string name(std::size_t i) { return "team/app" + std::to_string(i); }
  static void fill(const RealRegistry& source) {
    for (std::size_t i = 0; i < kImages; ++i) push_image(source, name(i), "v1", i + 1);
  }
  static std::size_t arrived(const RealRegistry& target) {
    std::size_t out = 0;
    for (std::size_t i = 0; i < kImages; ++i) {
      if (status_of(target, name(i), "v1") != 200) continue;
      // A tag is there with all below it, whatever happened.
      EXPECT_EQ(lacking(target, name(i), "v1", i + 1), "");
      ++out;
    }
    return out;
  }
  // Behaves until so many manifests were put, then answers all requests with `after`.
  static Fault until_manifests(
      std::atomic<std::size_t>& puts, std::size_t good,
      const std::function<std::optional<std::string>(const Asked&)>& after) {
    return [&puts, good, after](const Asked& asked) -> std::optional<std::string> {
      if (asked.is("PUT", "/manifests/")) ++puts;
      return puts > good ? after(asked) : std::nullopt;
    };
  }
  // The report of a pass where one target of two failed in part; the other one has all.
  void expect_one_failed(const Pass& done, const std::string& good, const std::string& bad) {
    EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
    EXPECT_EQ(done.count(good, "copied"), kImages);
    EXPECT_EQ(done.count(good, "failed"), 0U);
    EXPECT_GT(done.count(bad, "failed"), 0U);
    EXPECT_LT(done.count(bad, "copied"), kImages);
  }
};

TEST_F(MovingWorlds, ATagThatVanishesFailsAloneAndTheRestArrives) {
  Served source, eu;
  push_image(source, "app", "gone", 1);
  push_image(source, "app", "stays", 2);
  AnsweringProxy moving(source.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (asked.path() != "/v2/app/manifests/gone") return std::nullopt;
    return BadRegistry::error("404 Not Found", "MANIFEST_UNKNOWN", "manifest unknown");
  });
  const Pass done = pass(job(moving.host(), {eu.host()}));
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_THAT(done.failures(eu.host()), AllOf(HasSubstr("app:gone"), HasSubstr("404")));
  EXPECT_EQ(done.count(eu.host(), "copied"), 1U);
  EXPECT_EQ(lacking(eu, "app", "stays", 2), "");
  EXPECT_EQ(status_of(eu, "app", "gone"), 404);
}

TEST_F(MovingWorlds, ATagThatMovesArrivesWholeAsOneOfTheTwo) {
  Served source, eu;
  push_image(source, "app", "latest", 1);
  const TestContent next = image("latest", 2);
  std::atomic<bool> moved = false;
  AnsweringProxy moving(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
    // As soon as the first one's layers are read, the tag is another image.
    if (asked.is("GET", "/blobs/") && !moved.exchange(true)) push(source.http(), "app", next);
    return std::nullopt;
  });
  ASSERT_DONE(pass(job(moving.host(), {eu.host()})).outcome);
  EXPECT_TRUE(moved);
  EXPECT_EQ(lacking(eu, "app", "latest", 1), "");
  ASSERT_DONE(pass(job(moving.host(), {eu.host()})).outcome);
  EXPECT_EQ(lacking(eu, "app", "latest", 2), "");
}

TEST_F(MovingWorlds, ARepositoryThatIsDeletedFailsAloneAndTheRestArrives) {
  Served source, eu;
  fill(source);
  std::atomic<bool> deleted = false;
  AnsweringProxy moving(source.port(), [&](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().find("/" + name(3) + "/") == std::string::npos) return std::nullopt;
    // Its tags could still be listed, and its manifest be read.
    if (asked.is("GET", "/blobs/")) deleted = true;
    if (!deleted) return std::nullopt;
    return BadRegistry::error("404 Not Found", "NAME_UNKNOWN", "repository name not known");
  });
  const Pass done = pass(job(moving.host(), {eu.host()}));
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_TRUE(deleted);
  EXPECT_THAT(done.failures(eu.host()), HasSubstr(name(3)));
  EXPECT_EQ(done.count(eu.host(), "copied"), kImages - 1);
  EXPECT_EQ(done.count(eu.host(), "failed"), 1U);
  EXPECT_EQ(arrived(eu), kImages - 1);
}

TEST_F(MovingWorlds, ATargetThatBecomesReadOnlyIsNamedAndTheOtherHasAll) {
  Served source, eu, us;
  fill(source);
  std::atomic<std::size_t> puts = 0;
  AnsweringProxy read_only(
      us.port(), until_manifests(puts, 3, [](const Asked& asked) -> std::optional<std::string> {
        if (asked.method == "GET" || asked.method == "HEAD") return std::nullopt;
        return BadRegistry::error("405 Method Not Allowed", "UNSUPPORTED",
                                  "the registry is read-only");
      }));
  const std::string file = job(source.host(), {eu.host(), read_only.host()});
  const Pass done = pass(file);
  expect_one_failed(done, eu.host(), read_only.host());
  EXPECT_THAT(done.failures(read_only.host()), AllOf(HasSubstr("405"), HasSubstr("read-only")));
  EXPECT_EQ(arrived(eu), kImages);
  EXPECT_EQ(arrived(us), done.count(read_only.host(), "copied"));

  // Open again, the next pass makes it good, and asks the other one for nothing.
  puts = 0;
  AnsweringProxy open(us.port(), {});
  const Pass again = pass(job(source.host(), {eu.host(), open.host()}));
  EXPECT_DONE(again.outcome);
  EXPECT_EQ(again.count(eu.host(), "unchanged"), kImages);
  EXPECT_EQ(arrived(us), kImages);
}

TEST_F(MovingWorlds, AQuotaThatIsReachedIsNamedAndTheOtherHasAll) {
  Served source, eu, us;
  fill(source);
  std::atomic<std::size_t> puts = 0;
  AnsweringProxy full(
      us.port(), until_manifests(puts, 3, [](const Asked& asked) -> std::optional<std::string> {
        if (asked.method == "GET" || asked.method == "HEAD") return std::nullopt;
        return BadRegistry::error("403 Forbidden", "DENIED",
                                  "adding 12.0 MiB of storage resource, which when updated to "
                                  "current usage will exceed the configured upper limit");
      }));
  const Pass done = pass(job(source.host(), {eu.host(), full.host()}));
  expect_one_failed(done, eu.host(), full.host());
  EXPECT_THAT(done.failures(full.host()), HasSubstr("exceed the configured upper limit"));
  EXPECT_EQ(arrived(eu), kImages);
  EXPECT_EQ(arrived(us), done.count(full.host(), "copied"));
}

TEST_F(MovingWorlds, ATargetThatIsDownFromTheStartHoldsNobodyUp) {
  Served source, eu;
  fill(source);
  const test::Port nobody;
  const Pass done = pass(job(source.host(), {eu.host(), nobody.host()}));
  expect_one_failed(done, eu.host(), nobody.host());
  EXPECT_THAT(done.failures(nobody.host()), HasSubstr(nobody.host()));
  EXPECT_EQ(arrived(eu), kImages);
}

TEST_F(MovingWorlds, ATargetThatDiesInTheMiddleIsReportedAndTheOtherHasAll) {
  Served source, eu, us;
  fill(source);
  std::atomic<std::size_t> puts = 0;
  AnsweringProxy dying(us.port(),
                       until_manifests(puts, 3, [](const Asked&) -> std::optional<std::string> {
                         return "";  // The connection is cut.
                       }));
  const Pass done = pass(job(source.host(), {eu.host(), dying.host()}));
  expect_one_failed(done, eu.host(), dying.host());
  EXPECT_EQ(arrived(eu), kImages);
  // The answers to what it had taken may be lost.
  EXPECT_GE(arrived(us), done.count(dying.host(), "copied"));
}

TEST_F(MovingWorlds, ATagThatIsListedWithoutAManifestFailsAlone) {
  Served source, eu;
  push_image(source, "app", "v1", 1);
  AnsweringProxy lying(source.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (!asked.path().ends_with("/app/tags/list")) return std::nullopt;
    return BadRegistry::answer("200 OK", "Content-Type: application/json\r\n",
                               R"({"name":"app","tags":["ghost","v1"]})");
  });
  const Pass done = pass(job(lying.host(), {eu.host()}));
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_EQ(done.count(eu.host(), "failed"), 1U);
  EXPECT_THAT(done.failures(eu.host()), HasSubstr("app:ghost"));
  EXPECT_EQ(lacking(eu, "app", "v1", 1), "");
}

}  // namespace
}  // namespace transship::e2e
