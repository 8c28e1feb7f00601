#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "engine/transfer/blob_transfer.h"
#include "support/engine/engine_world.h"

namespace transship::test {

/// One source, N targets in stores of their own, and transfers between them.
struct BlobWorld : EngineWorld {
  explicit BlobWorld(std::size_t targets, std::size_t budget = 128U << 20U);

  MemoryStore& target(std::size_t index) { return *targets.at(index); }
  MemoryRepository& repository(std::size_t index) { return target(index).repository("to"); }
  /// Puts a blob into the source.
  oci::Descriptor add(std::string bytes, oci::Algorithm algorithm = oci::Algorithm::kSha256);

  /// Opens an upload at every target and moves the blob; `result` has what came of it.
  void transfer(const oci::Descriptor& blob);
  /// All at once; `look` is called every virtual millisecond.
  void transfer_all(const std::vector<oci::Descriptor>& blobs, std::function<void()> look);
  /// Starts the transfer and cancels it after `after`; how long it then took to end.
  Clock::duration cancel_after(const oci::Descriptor& blob, Clock::duration after);

  bool arrived(std::size_t index, const oci::Descriptor& blob);
  /// At every target, byte for byte, and with success.
  void expect_all_arrived(const oci::Descriptor& blob);

  MemoryStore source{"source", clock};
  std::vector<std::unique_ptr<MemoryStore>> targets;
  engine::SourceTraffic traffic{context.options.source_connections};
  engine::BlobTransferResult result;
  /// Virtual time from the start of the last transfer to the end of each target's part.
  std::vector<Clock::duration> took;
  std::size_t detached = 0;
  /// Called when the uploads are open.
  std::function<void()> on_opened;

 private:
  Task<Result<void>> move(oci::Descriptor blob);
};

}  // namespace transship::test
