#pragma once

#include <memory>
#include <string>

#include "e2e/harness.h"

namespace transship::e2e {

/// The registries that tests run against.
enum class Kind { kDocker28, kDistribution3, kServe };

inline bool available(Kind kind) {
  if (kind == Kind::kServe) return true;
  return DistributionRegistry::installed(kind == Kind::kDocker28
                                             ? DistributionRegistry::Version::k28
                                             : DistributionRegistry::Version::k3);
}

inline std::unique_ptr<RealRegistry> start(Kind kind) {
  if (kind == Kind::kServe) return std::make_unique<Served>();
  return std::make_unique<DistributionRegistry>(kind == Kind::kDocker28
                                                    ? DistributionRegistry::Version::k28
                                                    : DistributionRegistry::Version::k3);
}

inline std::string to_string(Kind kind) {
  switch (kind) {
    case Kind::kDocker28:
      return "DockerRegistry28";
    case Kind::kDistribution3:
      return "DistributionV3";
    case Kind::kServe:
      return "Serve";
  }
  return {};
}

/// Does it have the referrers API? Where not, evidence is under fallback tags.
inline bool has_referrers_api(Kind kind) { return kind == Kind::kServe; }

struct Pair {
  Kind source, target;
};

inline void PrintTo(const Pair& pair, std::ostream* out) {
  *out << to_string(pair.source) << "To" << to_string(pair.target);
}

/// A source and a target registry.
class TwoRegistries : public ::testing::TestWithParam<Pair> {
 protected:
  void SetUp() override {
    for (const Kind kind : {GetParam().source, GetParam().target}) {
      if (!available(kind)) GTEST_SKIP() << to_string(kind) << " is not installed";
    }
    source_ = start(GetParam().source);
    target_ = start(GetParam().target);
  }

  std::unique_ptr<RealRegistry> source_, target_;
};

inline std::string pair_name(const ::testing::TestParamInfo<Pair>& info) {
  return to_string(info.param.source) + "To" + to_string(info.param.target);
}

}  // namespace transship::e2e
