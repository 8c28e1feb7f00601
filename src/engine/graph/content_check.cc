#include "engine/graph/content_check.h"

#include <fmt/format.h>

#include "engine/on_shard.h"
#include "engine/progress.h"
#include "oci/hasher.h"

namespace transship::engine {
namespace {

class HashingSink final : public BodySink {
 public:
  HashingSink(Executor executor, const oci::Descriptor& blob, Progress& progress)
      : executor_(std::move(executor)),
        progress_(progress),
        size_(blob.size),
        hasher_(blob.digest.algorithm()) {}

  Executor executor() const override { return executor_; }
  Flow write(std::span<const std::byte> bytes) override {
    if (bytes.size() > size_ - hasher_.state().length) return Flow::kFailed;
    hasher_.update(bytes);
    progress_.hashed(bytes.size());
    return Flow::kMoved;
  }
  void set_waker(Waker) override {}
  Error failure() const override {
    return {.code = Errc::kSizeMismatch, .message = "more bytes than the descriptor says"};
  }
  const oci::Hasher& hasher() const { return hasher_; }

 private:
  Executor executor_;
  Progress& progress_;
  std::uint64_t size_;
  oci::Hasher hasher_;
};

}  // namespace

Task<Result<void>> check_blob(const Context& context, oci::SourceRepository& repository,
                              oci::Descriptor blob, std::uint64_t& bytes_read) {
  const Executor shard = context.shards.at(context.shards.pick());
  HashingSink sink(shard, blob, context.progress);
  Result<void> done = co_await repository.blob(blob, {.first = 0, .length = blob.size}, sink);
  oci::Digest found;
  std::uint64_t came = 0;
  co_await on_shard(shard, [&] {
    came = sink.hasher().state().length;
    if (done) found = sink.hasher().finish();
  });
  bytes_read += came;
  if (!done) co_return done;
  if (found == blob.digest) co_return Result<void>{};
  co_return std::unexpected(
      Error{.code = Errc::kDigestMismatch,
            .message = fmt::format("its bytes are {}", found.to_string()),
            .retryable = true});  // Damaged on the way, or for good: asking again tells.
}

}  // namespace transship::engine
