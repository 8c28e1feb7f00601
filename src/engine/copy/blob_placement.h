#pragma once

#include <vector>

#include "engine/graph/run_state.h"
#include "engine/transfer/blob_transfer.h"

namespace transship::engine {

/// Makes blobs of one source exist at target repositories: known there, mounted, or sent by one
/// read for all who need it (design 5). One per source of a run; on the control shard.
///
/// Single-flight over the whole run through `RunState::blobs`: whoever claims a (repository,
/// digest) brings it, all others wait; when it fails, one of them takes over.
class BlobPlacement {
 public:
  BlobPlacement(RunState& run, oci::SourceRepository& source)
      : run_(run), source_(source), source_id_(source.id()) {}

  /// Those of `deliveries` where somebody has to bring `blob`, and nobody does so yet. Slow
  /// and ailing targets, and those that can mount it later from a sibling, are left to `ensure`.
  std::vector<Delivery*> wanting(const oci::Descriptor& blob,
                                 const std::vector<Delivery*>& deliveries) const;
  /// Claims `blob` for all of `wanting`; each of them must be handed to `bring`.
  std::vector<Delivery*> claim(const oci::Descriptor& blob,
                               const std::vector<Delivery*>& deliveries);
  /// Brings `blob` to those it was claimed for, by one read. Ends when the last of them has it, or
  /// failed. `slot` is given back as soon as only detached targets are left.
  [[nodiscard]] Task<Result<void>> bring(oci::Descriptor blob, std::vector<Delivery*> claimed,
                                         Slots::Held slot);

  /// Success once `blob` is at the target of `delivery`: waits for whoever brings it, mounts it
  /// from a sibling, or sends it there alone. What failed is tried once more here unless this
  /// delivery itself had tried.
  [[nodiscard]] Task<Result<void>> ensure(oci::Descriptor blob, Delivery& delivery);

  /// Where a manifest was refused for missing content: asks for each blob, and brings what is not
  /// there.
  [[nodiscard]] Task<Result<void>> verify(oci::Descriptor blob, Delivery& delivery);

 private:
  struct Part;
  struct Transfer;
  [[nodiscard]] Task<Result<void>> open_part(oci::Descriptor blob, Part* part);
  [[nodiscard]] Task<Result<oci::UploadStart>> open(const oci::Descriptor& blob, Part& part);
  [[nodiscard]] Task<Result<oci::UploadStart>> open_new(const oci::Descriptor& blob,
                                                        Delivery& delivery, bool patient);
  [[nodiscard]] Task<Result<oci::UploadStart>> look(const oci::Descriptor& blob, Part& part);
  void foresee_read(const oci::Descriptor& blob, const std::vector<Part>& parts);
  [[nodiscard]] Task<void> send(const oci::Descriptor& blob, std::vector<Part>& parts,
                                Slots::Held slot);
  void learn_paces(const oci::Descriptor& blob, Clock::time_point begun,
                   std::vector<TargetPaces::One> targets);
  void settle_present(const oci::Descriptor& blob, Part& part, bool mounted);
  void settle_sent(const oci::Descriptor& blob, Part& part, const BlobOutcome& outcome);
  void settle_failed(const oci::Descriptor& blob, Part& part, Error error);
  [[nodiscard]] Task<std::optional<oci::RepositoryName>> remembered(const oci::Descriptor& blob,
                                                                    const oci::RepositoryId& to);
  bool may_mount(const oci::RepositoryId& to) const;
  void remember(const oci::Descriptor& blob, const oci::RepositoryId& at);
  std::optional<oci::RepositoryName> mount_from(const oci::Descriptor& blob,
                                                const oci::RepositoryId& to) const;
  bool must_wait_for_sibling(const oci::RepositoryId& where, const oci::Digest& digest) const;

  RunState& run_;
  oci::SourceRepository& source_;
  oci::RepositoryId source_id_;
};

}  // namespace transship::engine
