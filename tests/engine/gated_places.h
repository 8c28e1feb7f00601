#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/sync/sync.h"
#include "scheduler/gate.h"
#include "support/engine/fake_clock.h"
#include "support/stores/memory_store.h"

// Memory stores behind the gates of the scheduler, as the transport asks them: requests take time,
// hold a permit to their last byte, and are refused now and then.

namespace transship::test {

/// One host: how its requests end, and how many there were at once.
struct GatedHost {
  GatedHost(scheduler::Gates& of, FakeClock& time, MemoryStore& at, std::uint64_t seed)
      : gates(of), clock(time), store(at), random(seed) {}

  /// One request; `call` is what it does once it is there.
  template <class T>
  Task<Result<T>> ask(transport::RequestClass request_class, std::uint64_t bytes,
                      std::function<Task<Result<T>>()> call) {
    TS_CO_TRY(auto permit, co_await gates.admit(store.id() + ":443", request_class, bytes));
    const Counted counted(*this);
    const auto takes = std::chrono::milliseconds(1 + random() % 20);
    TS_CO_TRY(co_await clock.sleep_until(clock.now() + takes));
    if (random() % 100 < refused_percent) {
      const auto verdict = permit->report(
          {.status = 429, .first_byte = takes, .retry_after = std::chrono::seconds(1)});
      co_return std::unexpected(Error{.code = Errc::kRateLimited,
                                      .message = "HTTP 429",
                                      .retryable = true,
                                      .retry_after = verdict.wait});
    }
    Result<T> result = co_await call();
    if (!result && result.error().code == Errc::kCancelled) co_return result;
    const int status = result ? 200 : result.error().retryable ? 503 : 404;
    const auto verdict = permit->report({.status = status, .first_byte = takes});
    if (!result && verdict.wait.count() > 0) result.error().retry_after = verdict.wait;
    if (!result) result.error().host_down = verdict.host_down;
    co_return result;
  }

  scheduler::Gates& gates;
  FakeClock& clock;
  MemoryStore& store;
  std::mt19937_64 random;
  unsigned refused_percent = 0;
  std::size_t in_flight = 0, most = 0;

 private:
  struct Counted {
    explicit Counted(GatedHost& of) : host(of) {
      host.most = std::max(host.most, ++host.in_flight);
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --host.in_flight; }
    GatedHost& host;
  };
};

/// How many of something there are at once, over all hosts.
struct Meter {
  struct Held {
    explicit Held(Meter& of) : meter(of) { meter.most = std::max(meter.most, ++meter.now); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { --meter.now; }
    Meter& meter;
  };
  std::size_t now = 0, most = 0;
};

/// What the limits of the engine bound.
struct Meters {
  Meter blob_reads;
  Meter manifests;     ///< Read, written or asked for.
  Meter repositories;  ///< Of the source, open.
};

/// A repository behind its host's gate, to be owned by a pass.
class GatedRepository final : public oci::TargetRepository {
 public:
  GatedRepository(MemoryRepository& to, GatedHost& host, Meters& meters)
      : to_(to), host_(host), meters_(meters) {}

  /// While it is counted.
  std::optional<Meter::Held> opened;

  oci::RepositoryId id() const override { return to_.id(); }
  const oci::RequestCounts& counts() const override { return to_.counts(); }

  Task<Result<oci::Descriptor>> resolve(oci::ManifestName name) override {
    const Meter::Held held(meters_.manifests);
    co_return co_await host_.ask<oci::Descriptor>(kRead, 0, [&] { return to_.resolve(name); });
  }
  Task<Result<oci::Manifest>> manifest(oci::ManifestName name) override {
    const Meter::Held held(meters_.manifests);
    co_return co_await host_.ask<oci::Manifest>(kRead, 0, [&] { return to_.manifest(name); });
  }
  Task<Result<void>> blob(const oci::Descriptor& blob, oci::ByteRange range,
                          BodySink& sink) override {
    co_return co_await host_.ask<void>(kRead, range.length, [&]() -> Task<Result<void>> {
      const Meter::Held held(meters_.blob_reads);
      co_return co_await to_.blob(blob, range, sink);
    });
  }
  Task<Result<oci::TagPage>> tags(std::optional<std::string> cursor) override {
    co_return co_await host_.ask<oci::TagPage>(kRead, 0, [&] { return to_.tags(cursor); });
  }
  Task<Result<oci::TagPage>> tags_with_digests(std::optional<std::string> cursor) override {
    co_return co_await host_.ask<oci::TagPage>(kRead, 0,
                                               [&] { return to_.tags_with_digests(cursor); });
  }
  Task<Result<oci::Referrers>> referrers(const oci::Digest& subject) override {
    const oci::Digest wanted = subject;
    co_return co_await host_.ask<oci::Referrers>(transport::RequestClass::kReferrers, 0,
                                                 [&] { return to_.referrers(wanted); });
  }
  Task<Result<oci::UploadStart>> start_upload(const oci::Descriptor& blob,
                                              std::optional<oci::RepositoryName> from) override {
    co_return co_await host_.ask<oci::UploadStart>(kWrite, 0,
                                                   [&] { return to_.start_upload(blob, from); });
  }
  Task<Result<void>> upload(oci::UploadSession& session, const oci::Descriptor& blob,
                            BodySource& body) override {
    co_return co_await host_.ask<void>(kWrite, blob.size - std::min(blob.size, session.offset),
                                       [&] { return to_.upload(session, blob, body); });
  }
  Task<Result<void>> upload_status(oci::UploadSession& session) override {
    co_return co_await host_.ask<void>(kWrite, 0, [&] { return to_.upload_status(session); });
  }
  Task<void> cancel_upload(oci::UploadSession session) override {
    (void)co_await host_.ask<void>(kWrite, 0, [&]() -> Task<Result<void>> {
      co_await to_.cancel_upload(session);
      co_return Result<void>{};
    });
  }
  oci::UploadCost upload_cost(const oci::Descriptor& blob) const override {
    return to_.upload_cost(blob);
  }
  Task<Result<bool>> has_blob(const oci::Descriptor& blob) override {
    co_return co_await host_.ask<bool>(kRead, 0, [&] { return to_.has_blob(blob); });
  }
  Task<Result<oci::PutOutcome>> put_manifest(oci::ManifestName name,
                                             const oci::Manifest& manifest) override {
    const Meter::Held held(meters_.manifests);
    co_return co_await host_.ask<oci::PutOutcome>(kWrite, 0,
                                                  [&] { return to_.put_manifest(name, manifest); });
  }

 private:
  static constexpr auto kRead = transport::RequestClass::kRead;
  static constexpr auto kWrite = transport::RequestClass::kWrite;

  MemoryRepository& to_;
  GatedHost& host_;
  Meters& meters_;
};

/// The places of a job, by the name of their store; the catalog lists `names`.
class GatedPlaces final : public engine::SyncStores {
 public:
  explicit GatedPlaces(const engine::SyncJob& job) : job_(job) {}

  void add(GatedHost& host) { hosts_[host.store.id()] = &host; }

  Task<Result<Page>> catalog(std::optional<std::string>) override {
    co_return Page{.repositories = names, .invalid = 0, .next = {}};
  }
  std::unique_ptr<oci::SourceRepository> source(const oci::RepositoryName& name) override {
    auto out = open(job_.source.store, name);
    out->opened.emplace(meters.repositories);
    return out;
  }
  std::unique_ptr<oci::TargetRepository> target(std::size_t index,
                                                const oci::RepositoryName& name) override {
    return open(job_.targets[index].store, name);
  }
  oci::RequestCounts counts(const std::string&) override { return {}; }

  std::vector<std::string> names;
  Meters meters;

 private:
  std::unique_ptr<GatedRepository> open(const std::string& store, const oci::RepositoryName& name) {
    GatedHost& host = *hosts_.at(store);
    return std::make_unique<GatedRepository>(host.store.repository(name.str()), host, meters);
  }

  const engine::SyncJob& job_;
  std::map<std::string, GatedHost*> hosts_;
};

}  // namespace transship::test
