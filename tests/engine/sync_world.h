#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/task_group.h"
#include "engine/copy_world.h"
#include "engine/journal_run.h"
#include "engine/sync/sync.h"
#include "support/process/temp_dir.h"

// What the tests of passes share: a source and targets in memory with a catalog, and a journal on
// disk.

namespace transship::test {

/// A repository of a memory store, to be owned by a pass.
class BorrowedRepository final : public oci::TargetRepository {
 public:
  explicit BorrowedRepository(MemoryRepository& to) : to_(to) {}
  oci::RepositoryId id() const override { return to_.id(); }
  Task<Result<oci::Descriptor>> resolve(oci::ManifestName name) override {
    return to_.resolve(std::move(name));
  }
  Task<Result<oci::Manifest>> manifest(oci::ManifestName name) override {
    return to_.manifest(std::move(name));
  }
  Task<Result<void>> blob(const oci::Descriptor& blob, oci::ByteRange range,
                          BodySink& sink) override {
    return to_.blob(blob, range, sink);
  }
  Task<Result<oci::TagPage>> tags(std::optional<std::string> cursor) override {
    return to_.tags(std::move(cursor));
  }
  Task<Result<oci::TagPage>> tags_with_digests(std::optional<std::string> cursor) override {
    return to_.tags_with_digests(std::move(cursor));
  }
  Task<Result<oci::Referrers>> referrers(const oci::Digest& subject) override {
    return to_.referrers(subject);
  }
  const oci::RequestCounts& counts() const override { return to_.counts(); }
  Task<Result<oci::UploadStart>> start_upload(const oci::Descriptor& blob,
                                              std::optional<oci::RepositoryName> from) override {
    return to_.start_upload(blob, std::move(from));
  }
  Task<Result<void>> upload(oci::UploadSession& session, const oci::Descriptor& blob,
                            BodySource& body) override {
    return to_.upload(session, blob, body);
  }
  Task<Result<void>> upload_status(oci::UploadSession& session) override {
    return to_.upload_status(session);
  }
  Task<void> cancel_upload(oci::UploadSession session) override {
    return to_.cancel_upload(std::move(session));
  }
  oci::UploadCost upload_cost(const oci::Descriptor& blob) const override {
    return to_.upload_cost(blob);
  }
  Task<Result<bool>> has_blob(const oci::Descriptor& blob) override { return to_.has_blob(blob); }
  Task<Result<oci::PutOutcome>> put_manifest(oci::ManifestName name,
                                             const oci::Manifest& manifest) override {
    return to_.put_manifest(std::move(name), manifest);
  }

 private:
  MemoryRepository& to_;
};

/// Memory stores as the places of a job, by the name of their store.
class MemoryPlaces final : public engine::SyncStores {
 public:
  MemoryPlaces(std::vector<MemoryStore*> stores, const engine::SyncJob& job)
      : stores_(std::move(stores)), job_(job) {}

  Task<Result<Page>> catalog(std::optional<std::string> cursor) override {
    ++catalog_calls;
    if (catalog_error) co_return std::unexpected(*catalog_error);
    Page page;
    std::size_t at = cursor ? std::stoul(*cursor) : 0;
    if (fail_after && at >= *fail_after) co_return fail(Errc::kUnavailable, "HTTP 503");
    while (at < names.size() && page.repositories.size() < page_size) {
      page.repositories.push_back(names[at++]);
    }
    if (at < names.size()) page.next = std::to_string(at);
    co_return page;
  }
  std::unique_ptr<oci::SourceRepository> source(const oci::RepositoryName& name) override {
    return open(job_.source.store, name);
  }
  std::unique_ptr<oci::TargetRepository> target(std::size_t index,
                                                const oci::RepositoryName& name) override {
    return open(job_.targets[index].store, name);
  }
  oci::RequestCounts counts(const std::string& store) override {
    oci::RequestCounts sum;
    for (MemoryRepository* repository : opened_) {
      if (repository->id().store == store) engine::add_difference(sum, repository->counts(), {});
    }
    return sum;
  }

  std::chrono::nanoseconds held_back(const std::string& store) override { return held[store]; }

  std::map<std::string, std::chrono::nanoseconds> held;  ///< By store: by its rate limit.
  std::vector<std::string> names;                        ///< What the catalog lists.
  std::size_t page_size = 3;
  std::size_t catalog_calls = 0;
  std::optional<Error> catalog_error;
  std::optional<std::size_t> fail_after;

 private:
  std::unique_ptr<BorrowedRepository> open(const std::string& store,
                                           const oci::RepositoryName& name) {
    for (MemoryStore* one : stores_) {
      if (one->id() != store) continue;
      MemoryRepository& repository = one->repository(name.str());
      opened_.insert(&repository);
      return std::make_unique<BorrowedRepository>(repository);
    }
    ADD_FAILURE() << "no store " << store;
    return nullptr;
  }

  std::vector<MemoryStore*> stores_;
  const engine::SyncJob& job_;
  std::set<MemoryRepository*> opened_;
};

class SyncWorld : public ::testing::Test {
 public:
  Shards shards{1};
  FakeClock clock;
  MemoryBudget memory{64U << 20U};
  NotedProgress progress;
  engine::Options engine_options{.random_seed = 1};
  MemoryStore source{"hub.example", clock};
  MemoryStore eu{"eu.example", clock};
  MemoryStore us{"us.example", clock};
  engine::SyncJob job{.name = "test",
                      .source = {"hub.example", ""},
                      .targets = {{"eu.example", "mirror"}},
                      .repositories = {},
                      .tags = {},
                      .renames = {},
                      .pinned = {},
                      .copy = {}};
  MemoryPlaces places{{&source, &eu, &us}, job};
  engine::SyncOptions options{.audit_percent = 0, .seed = 1, .max_duration = {}};
  TempDir directory;

  /// An image with the blobs "base" and one of its own.
  oci::Manifest image(const std::string& repository, const std::string& tag) {
    return add_image(source.repository(repository),
                     {.layers = {"base", "layer of " + repository + tag},
                      .config = fmt::format("{{\"of\":\"{}{}\"}}", repository, tag)},
                     tag);
  }
  /// Repositories team/app0... with tags v0..., in the catalog.
  void fill(std::size_t repositories, std::size_t tags) {
    for (std::size_t r = 0; r < repositories; ++r) {
      const std::string name = fmt::format("team/app{}", r);
      places.names.push_back(name);
      for (std::size_t t = 0; t < tags; ++t) image(name, fmt::format("v{}", t));
    }
  }
  MemoryRepository& at_source(const std::string& name) { return source.repository(name); }
  MemoryRepository& at_eu(const std::string& name) { return eu.repository("mirror/" + name); }

  void without_referrers() { job.copy.referrers.which = engine::ReferrerChoice::Which::kNone; }
  void open_journal() { journal = storage::Journal::open(directory.path()).value(); }

  /// One pass; logs are cleared before it.
  engine::Report pass() {
    source.log.clear();
    eu.log.clear();
    us.log.clear();
    const engine::Context context{shards, clock, memory, progress, engine_options};
    engine::Report report;
    auto task = [&]() -> Task<Result<void>> {
      report = co_await engine::run_sync_pass(context, places, job, journal.get(), options);
      co_return Result<void>{};
    };
    const Result<void> done = run(task);
    EXPECT_TRUE(done) << (done ? "" : done.error().describe());
    return report;
  }

  Result<void> run(const std::function<Task<Result<void>>()>& task) {
    return journal ? run_beside(*journal, shards, clock, task) : run_virtual(shards, clock, task);
  }

  static engine::OutcomeCounts outcomes(const engine::Report& report,
                                        const std::string& place = "eu.example/mirror") {
    return report.jobs.at(0).targets.at(place);
  }
  static std::string why(const engine::Report& report) {
    std::string out = CopyWorld::why(report);
    for (const std::string& warning : report.warnings) out += "warning: " + warning + "\n";
    return out;
  }

  std::unique_ptr<storage::Journal> journal;
};

}  // namespace transship::test
