#include "contract/store_contract.h"
#include "support/stores/memory_store.h"

namespace transship::contract {
namespace {

class Memory final : public StoreUnderTest {
 public:
  Memory() { store_.options.tags_per_page = 4; }
  Traits traits() const override {
    return {.mounts = true, .verifies_digests = true, .checks_blobs = true};
  }
  Task<Result<oci::TargetRepository*>> repository(std::string name) override {
    co_return &store_.repository(name);
  }

 private:
  test::MemoryStore store_{"memory"};
};

INSTANTIATE_TEST_SUITE_P(Memory, StoreContract,
                         testing::Values(StoreMaker{
                             "Store", [](Shards&) { return std::make_unique<Memory>(); }}),
                         maker_name);

}  // namespace
}  // namespace transship::contract
