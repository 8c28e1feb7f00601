#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "e2e/worlds.h"
#include "support/http/counting_proxy.h"

namespace transship::crash {

using e2e::DistributionRegistry;
using e2e::Home;
using e2e::Kind;
using e2e::Process;
using e2e::RealRegistry;
using e2e::RequestLog;
using test::CountingProxy;
using test::TempDir;
using test::TestContent;

constexpr std::uint64_t kMiB = 1ULL << 20U;
/// What a kill may cost of a blob in flight, where the registry keeps its session.
constexpr std::uint64_t kChunk = 16 * kMiB;

/// One artifact: what its tag leads to, and what refers to that.
struct Artifact {
  std::string repository, tag;
  TestContent content;
};

/// 200 artifacts in 20 repositories: small images over shared layers, four with a layer of 32 MiB,
/// and 20 releases of several platforms with all kinds of evidence.
std::vector<Artifact> make_artifacts();

/// Those artifacts in a distribution v3.
struct Source {
  Source();
  static bool available() {
    return DistributionRegistry::installed(DistributionRegistry::Version::k3);
  }
  /// What a target at `registry` lacks of them, or has otherwise; "" when nothing.
  std::string differences(const RealRegistry& target) const;
  /// The arguments of a sync of all of it to `targets` ("host:port").
  std::vector<std::string> sync_to(const std::vector<std::string>& targets) const;

  DistributionRegistry registry;
  std::vector<Artifact> artifacts;
  TempDir files;
};

/// The registry dies without warning, and is there again at once: its directory and port are kept.
void kill_and_restart(RealRegistry& registry);

/// Bytes that a target must be sent at least: each blob once, each manifest.
std::uint64_t unique_bytes(const std::vector<Artifact>& artifacts);
/// Digest and size of each blob larger than a chunk.
std::map<std::string, std::uint64_t> large_blobs(const std::vector<Artifact>& artifacts);

/// A registry that things are killed against, with a counting proxy before it.
class Target {
 public:
  explicit Target(Kind kind)
      : kind_(kind), registry_(e2e::start(kind)), proxy_(registry_->port()) {}

  Kind kind() const { return kind_; }
  RealRegistry& registry() { return *registry_; }
  const CountingProxy& proxy() const { return proxy_; }

 private:
  Kind kind_;
  std::unique_ptr<RealRegistry> registry_;
  CountingProxy proxy_;
};

/// The targets of one job, and the state that its runs keep between them.
struct Fleet {
  explicit Fleet(const std::vector<Kind>& kinds);
  /// "host:port" of each, through its proxy.
  std::vector<std::string> hosts() const;
  /// Bytes sent to all of them.
  std::uint64_t sent() const;

  std::vector<std::unique_ptr<Target>> targets;
  Home home;
};

/// Fault points and how often each was passed.
using FaultCounts = std::map<std::string, std::uint64_t>;
/// The file that TRANSSHIP_FAULT_LOG names.
FaultCounts read_fault_counts(const std::string& text);

/// When a process is ended by SIGKILL.
struct Kill {
  std::string point;        ///< The fault point, or "": by bytes.
  std::uint64_t value = 0;  ///< At which pass of it; or after how many bytes sent.
  std::string to_string() const;
};

/// What became of one run of the program.
struct ProgramEnd {
  int code = -1;
  bool killed = false;
  std::string errors;
};

/// Runs the program on `fleet` to its end, or until `kill`. `log`: where it tells at its end how
/// often it passed each fault point.
ProgramEnd run_program(const std::vector<std::string>& arguments, const Fleet& fleet,
                       const std::optional<Kill>& kill, const std::string& log = {});
/// The same where no target counts bytes: `kill` is a fault point.
ProgramEnd run_program(const std::vector<std::string>& arguments, const Home& home,
                       const std::optional<Kill>& kill, const std::string& log = {});

/// GETs of each blob that a registry logged: how many, and bytes sent in all.
struct Reads {
  std::size_t count = 0;
  std::uint64_t bytes = 0;
};
std::map<std::string, Reads> blob_reads(const RequestLog& log);

/// The seed of this run, printed: TRANSSHIP_SEED, else a fixed one.
std::uint64_t seed();
/// Kills for each registry: TRANSSHIP_CRASH_KILLS, else what fits CI.
std::size_t kills_wanted();

}  // namespace transship::crash
