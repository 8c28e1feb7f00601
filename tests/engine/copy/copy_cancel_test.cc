#include <gtest/gtest.h>

#include "base/task_group.h"
#include "engine/copy_world.h"

namespace transship::test {
namespace {

using engine::ItemOutcome;
using oci::ManifestName;

class CopyCancelled : public CopyWorld {};

// The whole is cancelled after each number of calls in turn: it ends, says so, and leaves no tag
// without its content; what runs after it goes on from there.
TEST_F(CopyCancelled, AtAnyMomentItEndsAndTheNextRunConverges) {
  const oci::Manifest a = add_image(source, {.layers = {"one", "two"}});
  const oci::Manifest b = add_image(source, {.layers = {"two", "three"}, .config = "{\"b\":1}"});
  const oci::Manifest root = add_index(source, {entry(a), entry(b)}, "v1");
  add_referrer(source, root, "application/x", "evidence");
  target_store.options.write_rate = 100;
  for (std::size_t limit = 1; limit < 40; ++limit) {
    SCOPED_TRACE(fmt::format("cancelled after {} calls", limit));
    MemoryRepository& to = target_store.repository(fmt::format("r{}", limit));
    const engine::Report report = run([&](const engine::Context& context) -> Task<engine::Report> {
      auto group = std::make_unique<TaskGroup>(co_await current_executor());
      std::size_t calls = 0;
      auto count = [&](const Call&) {
        if (++calls == limit) group->cancel();
      };
      source_store.watch = count;
      observe(target_store, to, source);
      target_store.watch = [inner = target_store.watch, count](const Call& call) {
        inner(call);
        count(call);
      };
      engine::Report out;
      auto body = [](CopyCancelled* self, const engine::Context* with, MemoryRepository* where,
                     engine::Report* result) -> Task<Result<void>> {
        *result = co_await engine::copy_artifact(*with, self->source, ManifestName::by_tag("v1"),
                                                 {{where, "v1"}}, self->copy_options);
        co_return Result<void>{};
      };
      group->spawn(body(this, &context, &to, &out));
      (void)co_await group->join();
      source_store.watch = nullptr;
      target_store.watch = nullptr;
      co_return out;
    });
    ASSERT_EQ(report.items.size(), 1U);
    if (report.items[0].outcome == ItemOutcome::kFailed) {
      EXPECT_EQ(report.items[0].error->code, Errc::kCancelled) << why(report);
    }
    EXPECT_EQ(to.tag_map().contains("v1"), report.items[0].totals.tags_put == 1);
    const engine::Report again = copy(ManifestName::by_tag("v1"), {{&to, "v1"}});
    ASSERT_TRUE(again.ok()) << why(again);
    expect_complete(to, source, root.digest);
  }
}

}  // namespace
}  // namespace transship::test
