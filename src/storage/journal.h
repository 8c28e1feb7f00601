#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "oci/hasher.h"
#include "oci/store.h"

namespace transship::storage {

/// What was seen at targets, kept between passes: a cache with an audit, never the truth. Deleting
/// it costs requests and nothing else.
///
/// SQLite in WAL mode, file 0600 in a directory 0700. Called on the control shard; one thread of
/// its own does the reading and writing. Writes are collected and go in one transaction a batch;
/// a write that fails (disk full, read-only) is said once, and the journal then forgets what it is
/// told: the pass goes on.
class Journal {
 public:
  /// Opens or makes `directory`/journal.db. A file of another version, or a corrupt one, is moved
  /// aside, with a warning, and a new one begun. Uploads that nobody touched for a week before
  /// `now` are forgotten: registries expire their sessions. Blocks.
  static Result<std::unique_ptr<Journal>> open(
      const std::filesystem::path& directory,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now());
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  /// What a target's tag was seen to be, and which evidence was complete with it.
  struct TagRow {
    oci::Digest digest;
    std::string evidence;  ///< Fingerprint of the referrers found at the source; empty: unknown.
  };

  /// What is known of `names` at a target repository ("eu.example.com/team/app").
  [[nodiscard]] Task<Result<std::map<std::string, TagRow>>> tags(std::string target,
                                                                 std::vector<std::string> names);
  void put_tag(const std::string& target, const std::string& tag, const TagRow& row);

  /// A repository of `store` that was seen to hold the blob.
  [[nodiscard]] Task<Result<std::optional<std::string>>> blob(std::string store,
                                                              oci::Digest digest);
  void put_blob(const std::string& store, const oci::Digest& digest, const std::string& repository);

  /// An upload in flight at a target repository: what another run needs to go on with it.
  struct Upload {
    oci::UploadSession session;          ///< Its offset is for the registry to say.
    std::vector<oci::HashState> states;  ///< Of the bytes that it was given, in order of length.
  };
  /// Nothing when another run that is alive has it in flight.
  [[nodiscard]] Task<Result<std::optional<Upload>>> upload(std::string target, oci::Digest digest);
  /// Where the session stands now, and further states. Of a session whose location is a secret
  /// nothing may be told.
  void put_upload(const std::string& target, const oci::Digest& digest,
                  const oci::UploadSession& session, const std::vector<oci::HashState>& states);
  void forget_upload(const std::string& target, const oci::Digest& digest);

  /// What a store was seen to do, or not to do, by the name of a feature.
  struct FeatureRow {
    bool works = false;
    std::chrono::system_clock::time_point seen;
  };
  [[nodiscard]] Task<Result<std::map<std::string, FeatureRow>>> features(std::string store);
  void put_feature(const std::string& store, const std::string& feature, FeatureRow row);

  /// How fast bytes went to a target, over the last passes that sent some.
  struct SentRow {
    std::uint64_t bytes = 0;
    std::chrono::milliseconds took{};
    std::uint64_t passes = 0;
  };
  [[nodiscard]] Task<Result<SentRow>> sent(std::string target);
  void put_sent(const std::string& target, std::chrono::system_clock::time_point began,
                std::uint64_t bytes, std::chrono::milliseconds took);

  /// The end of a pass of a job, for whoever looks back: the last 1,000 of each are kept.
  void put_pass(const std::string& job, std::chrono::system_clock::time_point began, bool complete,
                const std::string& summary);

  /// Writes what is collected, in one transaction. The caller decides when: at the end of each
  /// repository, and of the pass.
  [[nodiscard]] Task<void> flush();

  /// Its thread is at something. Who plays with time (tests) must not let it pass meanwhile.
  bool busy() const;

  /// Why the journal stopped keeping what it is told; empty while it works.
  const std::string& trouble() const;

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace transship::storage
