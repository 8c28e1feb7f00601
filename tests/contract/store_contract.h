#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "base/shards.h"
#include "oci/store.h"

// What every store must do, whatever it is made of. A store joins with a StoreUnderTest and one
// INSTANTIATE_TEST_SUITE_P (memory_contract_test.cc is the shortest).

namespace transship::contract {

/// Where stores may differ.
struct Traits {
  bool mounts = false;            ///< Between `repository("a")` and `repository("b")`.
  bool keeps_sessions = true;     ///< A broken upload can be gone on with.
  bool verifies_digests = false;  ///< By itself; elsewhere the pipe does.
  bool checks_blobs = false;      ///< A manifest whose blobs are missing is refused.
  bool referrers_api = true;      ///< The store finds referrers without a fallback tag.
  bool sha512 = true;
};

/// One store, empty when it is made.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Traits traits() const = 0;
  /// Repositories with mounts between them, if there are any; a store without repositories gives
  /// the same for every name.
  virtual Task<Result<oci::TargetRepository*>> repository(std::string name) = 0;
};

/// `make` gets the shards on which the store lives; null: not on this machine.
struct StoreMaker {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>(Shards&)> make;
};

inline std::ostream& operator<<(std::ostream& out, const StoreMaker& maker) {
  return out << maker.name;
}

class StoreContract : public testing::TestWithParam<StoreMaker> {
 protected:
  void SetUp() override;

  /// Runs a test on the control shard; what it returns must be success.
  void run(std::function<Task<Result<void>>(oci::TargetRepository&)> body);

  /// Bodies live here: not on the control shard.
  Executor body_shard() const { return shards_.at(1); }
  Traits traits() const { return store_->traits(); }

  Task<Result<oci::Descriptor>> push_blob(oci::TargetRepository& repository, std::string bytes,
                                          oci::Algorithm algorithm = oci::Algorithm::kSha256);
  Task<Result<std::string>> pull_blob(oci::TargetRepository& repository, oci::Descriptor blob,
                                      oci::ByteRange range);
  /// Asks where the upload stands and sends the rest; in a new session where the old one is gone.
  Task<Result<void>> go_on(oci::TargetRepository& repository, oci::UploadSession& session,
                           oci::Descriptor blob, std::string bytes);
  /// A manifest of a config and a layer, both pushed, nothing else yet.
  Task<Result<oci::Manifest>> make_image(oci::TargetRepository& repository, std::uint64_t seed,
                                         const oci::Manifest* subject = nullptr);

  Shards shards_{2};
  std::unique_ptr<StoreUnderTest> store_;
};

inline std::string maker_name(const testing::TestParamInfo<StoreMaker>& info) {
  return info.param.name;
}

}  // namespace transship::contract
