#pragma once

#include <string>
#include <vector>

#include "oci/store.h"
#include "storage/journal.h"

namespace transship::engine {

/// The journal's row of one upload in flight: what a later run needs to go on with it. Written with
/// the first checkpoint that the upload passes, since less is not worth a row; forgotten at its
/// end. On the control shard.
class UploadRecord {
 public:
  /// `journal`: nothing is kept without one. `left`: a row is there, of an interrupted run.
  UploadRecord(storage::Journal* journal, std::string target, oci::Digest digest, bool left)
      : journal_(journal), target_(std::move(target)), digest_(std::move(digest)), there_(left) {}

  void note(const oci::UploadSession& session, const std::vector<oci::HashState>& states) {
    if (journal_ == nullptr || session.secret || session.found_again) return;
    journal_->put_upload(target_, digest_, session, states);
    there_ = true;
  }
  /// A later run finds it.
  bool kept() const { return there_; }
  void forget() {
    if (journal_ == nullptr || !std::exchange(there_, false)) return;
    journal_->forget_upload(target_, digest_);
  }

 private:
  storage::Journal* journal_;
  std::string target_;
  oci::Digest digest_;
  bool there_;
};

}  // namespace transship::engine
