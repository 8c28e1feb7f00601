// One pass of `transship sync` between two real registries, a fifth of whose requests are spoiled.
// Five tags a repository, 4 layers of 256 KiB. TRANSSHIP_FAULT_REPOSITORIES says how many
// repositories (20 for the long run).
#include <fmt/format.h>

#include "e2e/harness.h"
#include "e2e/resident_peak.h"
#include "support/http/fault_proxy.h"

namespace transship::e2e {
namespace {

using test::Fault;
using test::FaultProxy;

constexpr std::size_t kTags = 5;
constexpr std::size_t kMostPasses = 3;
constexpr std::chrono::seconds kLongestPass{120};
constexpr std::uint64_t kDefaultMemory = 128ULL << 20U;

std::size_t repositories() {
  const char* said = std::getenv("TRANSSHIP_FAULT_REPOSITORIES");
  return said == nullptr ? 4 : std::strtoul(said, nullptr, 10);
}

struct Case {
  std::string name;
  std::vector<Fault> faults;
  double share = 0.2;
  double sent_at_most = 1.1;  ///< Body bytes at the target, for each unique one.
  std::uint64_t seed = 20261125;
  std::uint64_t per_second = 0;  ///< What the target admits; 0: all.
  double read_at_most = 2;       ///< Body bytes from the source, for each unique one.
};

void PrintTo(const Case& of, std::ostream* out) { *out << of.name; }

class Faults : public ::testing::TestWithParam<Case> {
 protected:
  using Version = DistributionRegistry::Version;

  // One source for all cases: filling it takes longer than a pass.
  static void SetUpTestSuite() {
    if (!DistributionRegistry::installed(Version::k3)) return;
    source_ = std::make_unique<DistributionRegistry>(Version::k3);
    for (std::size_t i = 0; i < repositories() * kTags; ++i) {
      const TestContent content = image(i);
      unique_ += content.blob_bytes();
      push(source_->http(), repository(i), content);
    }
  }
  static void TearDownTestSuite() { source_.reset(); }
  void SetUp() override {
    if (!source_) GTEST_SKIP() << "no registry v3 (tools/peers)";
  }

  static std::string repository(std::size_t i) { return fmt::format("team/app{}", i / kTags); }
  static TestContent image(std::size_t i) {
    return test::make_image({.tag = fmt::format("v{}", i % kTags),
                             .layers = 4,
                             .layer_bytes = 256U << 10U,
                             .seed = i + 1});
  }
  static std::string tell(std::string_view side, const FaultProxy& proxy) {
    const auto f = proxy.figures();
    std::string out = fmt::format("{}: {} requests, {} spoiled", side, f.requests, f.spoiled);
    for (const auto& [fault, count] : f.by_fault) {
      out += fmt::format(", {} {}", count, to_string(fault));
    }
    return out;
  }

  static std::unique_ptr<DistributionRegistry> source_;
  static std::uint64_t unique_;  ///< Bytes of all blobs.
};

std::unique_ptr<DistributionRegistry> Faults::source_;
std::uint64_t Faults::unique_ = 0;

TEST_P(Faults, OnePassBringsAllAndNothingWrong) {
  const Case& c = GetParam();
  DistributionRegistry target(Version::k3);
  FaultProxy from(source_->port(), {.faults = c.faults, .share = c.share, .seed = c.seed});
  FaultProxy to(
      target.port(),
      {.faults = c.faults, .share = c.share, .seed = c.seed + 1, .per_second = c.per_second});
  const TempDir files;
  const Home home;
  const std::string jobs = files.write(
      "jobs.toml", fmt::format("[[job]]\nname = \"faults\"\nsource = \"{}\"\ntargets = [\"{}\"]\n"
                               "referrers = \"none\"\n",
                               from.host(), to.host()));

  std::size_t passes = 0;
  std::chrono::nanoseconds took{};
  Measured pass;
  do {
    const auto begun = std::chrono::steady_clock::now();
    pass = measure({"sync", "-c", jobs, "--json", "--stall-timeout", "1s"}, kLongestPass, home,
                   kFewDescriptors);
    took += std::chrono::steady_clock::now() - begun;
    const auto failed = pass.out.find("\"outcome\":\"failed\"");
    EXPECT_EQ(pass.code, 0) << pass.err
                            << pass.out.substr(failed == std::string::npos ? 0 : failed, 2000);
    EXPECT_FALSE(pass.printed().contains("oo many open files")) << pass.err;
    if (!shadow_memory()) EXPECT_LT(pass.peak, kDefaultMemory);
  } while (++passes < kMostPasses && pass.code != 0);
  const double sent = static_cast<double>(to.figures().uploaded) / static_cast<double>(unique_);
  const double read = static_cast<double>(from.figures().downloaded) / static_cast<double>(unique_);
  fmt::print(
      "{}: {} passes, {:.2f} x the unique bytes sent, {:.2f} x read, {} x 429, {:.1f} s, seed {}\n"
      "  {}\n  {}\n",
      c.name, passes, sent, read, from.figures().refused + to.figures().refused,
      std::chrono::duration<double>(took).count(), c.seed, tell("source", from),
      tell("target", to));
  EXPECT_EQ(passes, 1U);
  EXPECT_LE(sent, c.sent_at_most);
  EXPECT_LE(read, c.read_at_most);
  if (c.per_second == 0) {
    EXPECT_GT(from.figures().spoiled, 0U);
  } else {
    EXPECT_LT(to.figures().refused, 50U);
  }
  std::string missing;
  for (std::size_t i = 0; i < repositories() * kTags; ++i) {
    missing += differences(target.http(), repository(i), image(i));
  }
  EXPECT_EQ(missing, "");
}

INSTANTIATE_TEST_SUITE_P(
    Each, Faults,
    ::testing::Values(
        Case{"Unavailable", {Fault::k503}, 0.2, 1.01}, Case{"TooMany", {Fault::k429}, 0.2, 1.01},
        Case{"InternalError", {Fault::k500}, 0.2, 1.01},
        Case{"BadGateway", {Fault::k502}, 0.2, 1.01}, Case{"Refused", {Fault::kRefuse}, 0.2, 1.01},
        Case{"ResetInBody", {Fault::kResetInBody}}, Case{"ResetAfter", {Fault::kResetAfter}},
        Case{"CutShort", {Fault::kCut}}, Case{"FlippedByte", {Fault::kCorrupt}, 0.2, 1.3},
        Case{"ChangedLetter", {Fault::kLetter}, 0.2, 1.01},
        Case{.name = "Stalled",
             .faults = {Fault::kStall},
             .sent_at_most = 1.01,
             .read_at_most = 1.01},
        Case{"Delayed", {Fault::kDelay}, 0.2, 1.01},
        Case{"Duplicated", {Fault::kDuplicate}, 0.2, 1.3},
        Case{"FourAtOnce", {Fault::k503, Fault::k429, Fault::kResetInBody, Fault::kCut}},
        Case{"AllAtOnce",
             {Fault::k503, Fault::k429, Fault::k500, Fault::k502, Fault::kRefuse,
              Fault::kResetInBody, Fault::kResetAfter, Fault::kCut, Fault::kCorrupt, Fault::kLetter,
              Fault::kStall, Fault::kDelay, Fault::kDuplicate},
             0.2,
             1.2},
        Case{"AllAtOnceAnotherSeed",
             {Fault::k503, Fault::k429, Fault::k500, Fault::k502, Fault::kRefuse,
              Fault::kResetInBody, Fault::kResetAfter, Fault::kCut, Fault::kCorrupt, Fault::kLetter,
              Fault::kStall, Fault::kDelay, Fault::kDuplicate},
             0.2,
             1.2,
             7},
        Case{"FiftyASecond", {}, 0, 1.01, 0, 50}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace transship::e2e
