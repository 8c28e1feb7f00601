// Jobs that contradict themselves, and tags that a target will not take.
#include <gmock/gmock.h>

#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BadJobs : public SyncRig {
 protected:
  /// Tags of "app" at both sides: one the same, one other at the target, one the source's alone.
  static void push_same_moved_and_new(const Served& source, const Served& target) {
    push_image(source, "app", "same", 1);
    push_image(source, "app", "moved", 2);
    push_image(source, "app", "new", 3);
    push_image(target, "app", "same", 1);
    push_image(target, "app", "moved", 9);
  }
};

TEST_F(BadJobs, TargetsThatOverlapWorkAsLongAsNoTwoRepositoriesBecomeOne) {
  Served source, eu;
  push_image(source, "app", "v1", 1);
  const std::string file = job(source.host(), {eu.host(), eu.host() + "/mirror"});
  ASSERT_DONE(pass(file).outcome);
  EXPECT_EQ(lacking(eu, "app", "v1", 1), "");
  EXPECT_EQ(lacking(eu, "mirror/app", "v1", 1), "");

  push_image(source, "mirror/app", "v1", 2);
  push_image(source, "other", "v1", 3);
  const Pass collides = pass(file);
  EXPECT_EQ(collides.outcome.code, 1) << shown(collides.outcome);
  EXPECT_THAT(
      collides.outcome.err,
      AllOf(HasSubstr("would both become " + eu.host() + "/mirror/app"), HasSubstr("exclude it")));
  // Nothing moves before that is settled.
  EXPECT_EQ(status_of(eu, "other", "v1"), 404);
  EXPECT_EQ(lacking(eu, "mirror/app", "v1", 1), "");
}

TEST_F(BadJobs, RenamesThatCollideMoveNothing) {
  Served source, eu;
  push_image(source, "old/app", "v1", 1);
  push_image(source, "new/app", "v1", 2);
  push_image(source, "other", "v1", 3);
  const Pass done =
      pass(job(source.host(), {eu.host()},
               "referrers = \"none\"\nrename = [{ from = \"old/\", to = \"new/\" }]\n"));
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_THAT(done.outcome.err,
              AllOf(HasSubstr("old/app"), HasSubstr("new/app"), HasSubstr("would both become")));
  for (const std::string repository : {"new/app", "old/app", "other"}) {
    EXPECT_EQ(status_of(eu, repository, "v1"), 404);
  }
}

TEST_F(BadJobs, ATargetThatFeedsItsOwnSourceIsRefusedBeforeAnythingIsAsked) {
  Served source;
  const auto refused = transship(
      {"sync", "-c", job(source.host() + "/team", {source.host() + "/team/mirror"})}, home_);
  EXPECT_EQ(refused.code, 2) << shown(refused);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("jobs.toml:4:"), HasSubstr("within the source")));
  EXPECT_EQ(source.log().count("catalog GET"), 0U);
}

TEST_F(BadJobs, OneConnectionForAllHostsIsTooFewWithinOne) {
  Served source;
  const auto refused =
      transship({"sync", "-c", job(source.host() + "/team", {source.host() + "/mirror"}),
                 "--max-connections", "1"},
                home_);
  EXPECT_EQ(refused.code, 2) << shown(refused);
  EXPECT_THAT(refused.err, AllOf(HasSubstr(source.host()), HasSubstr("--max-connections")));
  EXPECT_EQ(source.log().count("catalog GET"), 0U);
}

TEST_F(BadJobs, TagsThatExistAreKeptWhereNothingMayBeOverwritten) {
  Served source, eu;
  push_same_moved_and_new(source, eu);
  const Pass done =
      pass(job(source.host(), {eu.host()}, "referrers = \"none\"\noverwrite = \"never\"\n"));
  EXPECT_DONE(done.outcome);
  EXPECT_EQ(done.count(eu.host(), "skipped"), 1U);
  EXPECT_EQ(done.count(eu.host(), "unchanged"), 1U);
  EXPECT_EQ(done.count(eu.host(), "copied"), 1U);
  EXPECT_THAT(done.outcome.out, AllOf(HasSubstr("app:moved"), HasSubstr("and is kept")));
  EXPECT_EQ(lacking(eu, "app", "moved", 9), "");
  EXPECT_EQ(lacking(eu, "app", "new", 3), "");
}

TEST_F(BadJobs, AnImmutableTagIsFineWhereItIsTheSameAndNamedWhereItIsNot) {
  Served source, eu;
  push_same_moved_and_new(source, eu);
  // As ECR and Harbor do: no tag that exists may be put, be it with the digest that it has.
  AnsweringProxy immutable(eu.port(), [](const Asked& asked) -> std::optional<std::string> {
    const bool known = asked.is("PUT", "/manifests/same") || asked.is("PUT", "/manifests/moved");
    if (!known) return std::nullopt;
    return BadRegistry::error("400 Bad Request", "TAG_INVALID",
                              "The image tag already exists and is immutable");
  });
  const Pass done = pass(job(source.host(), {immutable.host()}), {"--strict"});
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_EQ(done.count(immutable.host(), "failed"), 1U);
  EXPECT_EQ(done.count(immutable.host(), "unchanged"), 1U);
  EXPECT_EQ(done.count(immutable.host(), "copied"), 1U);
  EXPECT_THAT(done.failures(immutable.host()),
              AllOf(HasSubstr("app:moved"), HasSubstr("refuses to move this tag")));
  EXPECT_EQ(lacking(eu, "app", "new", 3), "");
}

TEST_F(BadJobs, ACatalogThatIsRefusedWhereRepositoriesAreNot) {
  Served source, eu;
  push_image(source, "team/app", "v1", 1);
  AnsweringProxy closed(source.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (!asked.is("GET", "/v2/_catalog")) return std::nullopt;
    return BadRegistry::error("401 Unauthorized", "UNAUTHORIZED", "the catalog is for admins");
  });
  const Pass pattern =
      pass(job(closed.host(), {eu.host()},
               "referrers = \"none\"\nrepositories = { include = [\"team/*\"] }\n"));
  EXPECT_EQ(pattern.outcome.code, 1) << shown(pattern.outcome);
  EXPECT_THAT(pattern.outcome.err,
              AllOf(HasSubstr("401"), HasSubstr("lists no repositories"), HasSubstr("name them")));
  const Pass named =
      pass(job(closed.host(), {eu.host()},
               "referrers = \"none\"\nrepositories = { include = [\"team/app\"] }\n"));
  EXPECT_DONE(named.outcome);
  EXPECT_EQ(lacking(eu, "team/app", "v1", 1), "");
}

TEST_F(BadJobs, AMissingEcrRepositoryIsNamedWithTheCommandThatMakesIt) {
  Served source, eu;
  push_image(source, "team/app", "v1", 1);
  push_image(source, "team/tools", "v1", 2);
  AnsweringProxy ecr(eu.port(), [](const Asked& asked) -> std::optional<std::string> {
    if (asked.path().find("/team/app/") == std::string::npos) return std::nullopt;
    return BadRegistry::error("404 Not Found", "NAME_UNKNOWN",
                              "The repository with name 'team/app' does not exist in the registry "
                              "with id '123456789012'");
  });
  const std::string file = job(source.host(), {ecr.host()});
  say_of(ecr.host(), "profile = \"ecr\"\n");
  const Pass done = pass(file);
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_THAT(done.failures(ecr.host()),
              AllOf(HasSubstr("team/app"),
                    HasSubstr("aws ecr create-repository --repository-name team/app")));
  EXPECT_EQ(lacking(eu, "team/tools", "v1", 2), "");
}

}  // namespace
}  // namespace transship::e2e
