#include "engine/transfer/joint_lineage.h"

#include <gtest/gtest.h>

namespace transship::engine {
namespace {

oci::HashState state(std::uint64_t length, std::uint64_t word = 0) {
  oci::HashState out = oci::HashState::initial(oci::Algorithm::kSha256);
  out.length = length * 64;
  out.words[0] = word != 0 ? word : length;
  return out;
}

Checkpoints states(std::initializer_list<std::uint64_t> lengths) {
  Checkpoints out;
  for (const std::uint64_t length : lengths) out.add(state(length));
  return out;
}

struct Case {
  const char* what;
  std::vector<std::pair<std::uint64_t, std::vector<std::uint64_t>>> targets;  // offset, states
  std::uint64_t start;
  std::optional<std::uint64_t> witness{};
};

TEST(JointLineage, StartsWhereAllCanGoOn) {
  const std::vector<Case> cases = {
      {"nothing is there", {{0, {}}, {0, {}}}, 0},
      {"one target, past its newest state", {{25, {10, 20}}}, 20},
      {"one target, before its newest state", {{25, {10, 20, 30}}}, 20, 30},
      {"at a state", {{20, {10, 20}}}, 20},
      {"before all states", {{5, {10, 20}}}, 0, 10},
      {"no states", {{25, {}}}, 0},
      {"two targets, the one behind decides", {{25, {10, 20}}, {15, {10, 20}}}, 10, 20},
      {"only shared states count", {{25, {10, 20}}, {25, {10}}}, 10, 20},
      {"one has nothing yet", {{25, {10, 20}}, {0, {}}}, 0, 20},
      {"far apart", {{95, {10, 20, 30, 90}}, {25, {10, 20, 30}}}, 20, 90},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    std::vector<Checkpoints> known;
    for (const auto& [offset, lengths] : each.targets) {
      known.emplace_back();
      for (const std::uint64_t length : lengths) known.back().add(state(length));
    }
    std::vector<Given> given;
    for (std::size_t i = 0; i < known.size(); ++i) {
      given.push_back({each.targets[i].first * 64, &known[i]});
    }
    const auto lineage = joint_lineage(oci::Algorithm::kSha256, given);
    ASSERT_TRUE(lineage);
    EXPECT_EQ(lineage->start.length, each.start * 64);
    EXPECT_EQ(lineage->witness.has_value(), each.witness.has_value());
    if (lineage->witness && each.witness) EXPECT_EQ(lineage->witness->length, *each.witness * 64);
    EXPECT_TRUE(lineage->trail.after(lineage->start.length).empty());
  }
}

TEST(JointLineage, ReadingsThatDifferProveNothing) {
  const Checkpoints one = states({10, 20});
  Checkpoints other = states({10});
  other.add(state(20, 99));
  const Given given[] = {{25 * 64, &one}, {25 * 64, &other}};
  EXPECT_FALSE(joint_lineage(oci::Algorithm::kSha256, given));
}

}  // namespace
}  // namespace transship::engine
