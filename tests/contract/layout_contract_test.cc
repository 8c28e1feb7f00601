#include "base/worker_pool.h"
#include "contract/store_contract.h"
#include "storage/oci_layout.h"
#include "support/process/temp_dir.h"

namespace transship::contract {
namespace {

class Layout final : public StoreUnderTest {
 public:
  explicit Layout(std::unique_ptr<storage::FileIo> files, std::shared_ptr<WorkerPool> pool)
      : pool_(std::move(pool)), files_(std::move(files)) {}

  static std::unique_ptr<StoreUnderTest> make(Shards& shards, storage::Backend backend) {
    auto pool = std::make_shared<WorkerPool>(2);
    auto files = storage::make_file_io(shards.control(), *pool, backend);
    if (!files) return nullptr;
    return std::make_unique<Layout>(std::move(files), std::move(pool));
  }

  Traits traits() const override { return {}; }
  Task<Result<oci::TargetRepository*>> repository(std::string) override {
    if (!layout_) {
      TS_CO_TRY(layout_, co_await storage::OciLayout::create(*files_, *pool_, directory_ / "layout",
                                                             {.tags_per_page = 4}));
    }
    co_return layout_.get();
  }

 private:
  test::TempDir directory_;
  std::shared_ptr<WorkerPool> pool_;
  std::unique_ptr<storage::FileIo> files_;
  std::unique_ptr<storage::OciLayout> layout_;
};

INSTANTIATE_TEST_SUITE_P(
    Layout, StoreContract,
    testing::Values(
        StoreMaker{"Uring",
                   [](Shards& shards) { return Layout::make(shards, storage::Backend::kUring); }},
        StoreMaker{"Pool",
                   [](Shards& shards) { return Layout::make(shards, storage::Backend::kPool); }}),
    maker_name);

}  // namespace
}  // namespace transship::contract
