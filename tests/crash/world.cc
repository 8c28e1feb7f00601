#include "crash/world.h"

#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <sstream>

namespace transship::crash {

namespace {

constexpr std::size_t kRepositories = 20;
constexpr std::size_t kTags = 10;
constexpr std::uint64_t kLargeLayer = 32 * kMiB;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  std::uint64_t value = 0;
  if (text == nullptr) return otherwise;
  const std::string_view all = text;
  const auto parsed = std::from_chars(all.begin(), all.end(), value);
  return parsed.ec == std::errc() ? value : otherwise;
}

Artifact make_artifact(std::size_t repository, std::size_t tag, const std::string& base) {
  test::ImageSpec spec{.tag = fmt::format("v{}", tag),
                       .layers = 2,
                       .layer_bytes = 2000 + 100 * tag,
                       .seed = 1000 * repository + tag + 1};
  Artifact out{.repository = fmt::format("team/app{}", repository), .tag = spec.tag, .content = {}};
  if (tag + 1 == kTags) {
    out.content = test::make_release(spec, true);
    return out;
  }
  spec.first_layers.push_back(base);
  if (tag == 0 && repository % 5 == 0) {
    spec.first_layers.push_back(test::seeded_bytes(77 + repository, kLargeLayer));
  }
  out.content = test::make_image(spec);
  return out;
}

// `meanwhile`: what happens to it while it runs.
ProgramEnd run_until(const std::vector<std::string>& arguments, const Home& home,
                     const std::optional<Kill>& kill, const std::string& log,
                     const std::function<void(Process&)>& meanwhile) {
  const TempDir output;
  std::vector<std::string> argv = {e2e::program()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  auto environment = home.environment();
  if (kill && !kill->point.empty()) {
    environment["TRANSSHIP_FAULT"] = fmt::format("{}:{}", kill->point, kill->value);
  }
  if (!log.empty()) environment["TRANSSHIP_FAULT_LOG"] = log;
  Process process({.argv = argv,
                   .environment = environment,
                   .output = output / "out",
                   .errors = output / "err"});
  meanwhile(process);
  ProgramEnd run;
  run.code = process.wait(std::chrono::seconds(90)).value_or(-1);
  run.killed = run.code == 128 + SIGKILL;
  run.errors = output.read("err");
  return run;
}

}  // namespace

std::vector<Artifact> make_artifacts() {
  std::vector<Artifact> out;
  const std::string base = test::seeded_bytes(5, 30'000);
  for (std::size_t r = 0; r < kRepositories; ++r) {
    for (std::size_t t = 0; t < kTags; ++t) out.push_back(make_artifact(r, t, base));
  }
  return out;
}

Source::Source() : registry(DistributionRegistry::Version::k3), artifacts(make_artifacts()) {
  for (const Artifact& one : artifacts) test::push(registry.http(), one.repository, one.content);
}

std::string Source::differences(const RealRegistry& target) const {
  std::string out;
  for (const Artifact& one : artifacts) {
    // Fallback indexes are merged, not copied: what they list is what the observer looked at.
    out += test::differences(target.http(), one.repository, one.content);
  }
  return out;
}

std::vector<std::string> Source::sync_to(const std::vector<std::string>& targets) const {
  const std::string file = files.write(
      "jobs.toml", fmt::format("[[job]]\nname = \"fleet\"\nsource = \"{}\"\ntargets = [\"{}\"]\n",
                               registry.host(), fmt::join(targets, "\", \"")));
  return {"sync", "-c", file, "--quiet"};
}

Fleet::Fleet(const std::vector<Kind>& kinds) {
  for (const Kind kind : kinds) targets.push_back(std::make_unique<Target>(kind));
}

std::vector<std::string> Fleet::hosts() const {
  std::vector<std::string> out;
  for (const auto& target : targets) out.push_back(target->proxy().host());
  return out;
}

std::uint64_t Fleet::sent() const {
  std::uint64_t sum = 0;
  for (const auto& target : targets) sum += target->proxy().up();
  return sum;
}

void kill_and_restart(RealRegistry& registry) {
  const auto again = [](auto& mortal) {
    mortal.process().signal(SIGKILL);
    (void)mortal.process().wait(std::chrono::seconds(20));
    mortal.start();
  };
  if (auto* served = dynamic_cast<e2e::Served*>(&registry)) {
    again(*served);
  } else {
    again(dynamic_cast<DistributionRegistry&>(registry));
  }
}

std::uint64_t unique_bytes(const std::vector<Artifact>& artifacts) {
  std::map<std::string, std::uint64_t> blobs;
  std::uint64_t sum = 0;
  for (const Artifact& one : artifacts) {
    for (const auto& blob : one.content.blobs) blobs[test::sha256_of(blob)] = blob.size();
    for (const auto& manifest : one.content.manifests) sum += manifest.bytes.size();
  }
  for (const auto& [digest, size] : blobs) sum += size;
  return sum;
}

std::map<std::string, std::uint64_t> large_blobs(const std::vector<Artifact>& artifacts) {
  std::map<std::string, std::uint64_t> out;
  for (const Artifact& one : artifacts) {
    for (const auto& blob : one.content.blobs) {
      if (blob.size() > kChunk) out[test::sha256_of(blob)] = blob.size();
    }
  }
  return out;
}

FaultCounts read_fault_counts(const std::string& text) {
  FaultCounts out;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    const auto tab = line.find('\t');
    if (tab != std::string::npos) out[line.substr(0, tab)] = std::stoull(line.substr(tab + 1));
  }
  return out;
}

std::string Kill::to_string() const {
  return point.empty() ? fmt::format("after {} bytes", value)
                       : fmt::format("{} at pass {}", point, value);
}

ProgramEnd run_program(const std::vector<std::string>& arguments, const Fleet& fleet,
                       const std::optional<Kill>& kill, const std::string& log) {
  const std::uint64_t before = fleet.sent();
  return run_until(arguments, fleet.home, kill, log, [&](Process& process) {
    if (!kill || !kill->point.empty()) return;
    test::eventually([&] { return fleet.sent() - before >= kill->value || !process.running(); },
                     std::chrono::seconds(60));
    process.signal(SIGKILL);
  });
}

ProgramEnd run_program(const std::vector<std::string>& arguments, const Home& home,
                       const std::optional<Kill>& kill, const std::string& log) {
  return run_until(arguments, home, kill, log, [](Process&) {});
}

std::map<std::string, Reads> blob_reads(const RequestLog& log) {
  std::map<std::string, Reads> out;
  for (const auto& request : log.all()) {
    if (request.kind() != "blob GET") continue;
    Reads& reads = out[request.target.substr(request.target.rfind('/') + 1)];
    ++reads.count;
    reads.bytes += request.sent;
  }
  return out;
}

std::uint64_t seed() { return number_from_environment("TRANSSHIP_SEED", 20260101); }

std::size_t kills_wanted() { return number_from_environment("TRANSSHIP_CRASH_KILLS", 16); }

}  // namespace transship::crash
