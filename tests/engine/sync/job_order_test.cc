#include "engine/sync/job_order.h"

#include <gmock/gmock.h>

namespace transship::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Order = std::vector<std::vector<std::size_t>>;

/// Jobs from a registry to others, as "from" and "to".
Order order_of(const std::vector<std::pair<std::string, std::vector<std::string>>>& jobs) {
  std::vector<SyncJob> made;
  for (const auto& [from, to] : jobs) {
    SyncJob job;
    job.source = {from, ""};
    for (const auto& one : to) job.targets.push_back({one, ""});
    made.push_back(std::move(job));
  }
  std::vector<JobToRun> to_run;
  for (const SyncJob& job : made) to_run.push_back({.job = &job, .stores = nullptr});
  return jobs_before(to_run);
}

TEST(JobOrder, JobsThatHaveNothingToDoWithEachOtherWaitForNobody) {
  EXPECT_THAT(order_of({{"a", {"b"}}, {"c", {"d"}}, {"a", {"e"}}}),
              ElementsAre(IsEmpty(), IsEmpty(), IsEmpty()));
}

TEST(JobOrder, WhoReadsComesAfterWhoWritesWhereverTheyStand) {
  EXPECT_THAT(order_of({{"a", {"b"}}, {"b", {"c"}}}), ElementsAre(IsEmpty(), ElementsAre(0)));
  EXPECT_THAT(order_of({{"b", {"c"}}, {"a", {"x", "b"}}}), ElementsAre(ElementsAre(1), IsEmpty()));
  EXPECT_THAT(order_of({{"c", {"d"}}, {"b", {"c"}}, {"a", {"b"}}}),
              ElementsAre(ElementsAre(1), ElementsAre(2), IsEmpty()));
}

TEST(JobOrder, InARingTheFilesOrderHolds) {
  EXPECT_THAT(order_of({{"a", {"b"}}, {"b", {"a"}}}), ElementsAre(IsEmpty(), ElementsAre(0)));
  EXPECT_THAT(order_of({{"c", {"a"}}, {"a", {"b"}}, {"b", {"c"}}}),
              ElementsAre(IsEmpty(), ElementsAre(0), ElementsAre(1)));
  // Who reads from a ring comes after its writer, before it or not.
  EXPECT_THAT(order_of({{"b", {"z"}}, {"a", {"b"}}, {"b", {"a"}}}),
              ElementsAre(ElementsAre(1), IsEmpty(), ElementsAre(1)));
}

}  // namespace
}  // namespace transship::engine
