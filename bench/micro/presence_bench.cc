#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <vector>

#include "engine/graph/presence.h"

// The table of what is where, keyed by digest: what a blob costs it, from claim to arrival, while
// it holds so many others.

namespace transship::engine {
namespace {

std::vector<oci::Digest> digests(std::int64_t count) {
  std::vector<oci::Digest> out;
  out.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) out.push_back(oci::digest_of(fmt::format("{}", i)));
  return out;
}

const oci::RepositoryId kApp{.store = "registry.example.com", .repository = "team/app"};
const oci::RepositoryId kSibling{.store = "registry.example.com", .repository = "team/sibling"};

// Every digest comes, into a table that begins empty.
void claimed_and_arrived(benchmark::State& state) {
  const auto all = digests(state.range(0));
  for (auto _ : state) {
    Presence presence;
    for (const auto& digest : all) {
      benchmark::DoNotOptimize(presence.claim(kApp, digest));
      presence.arrived(kApp, digest);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(claimed_and_arrived)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// The question before each mount.
void asked_for_a_sibling(benchmark::State& state) {
  const auto all = digests(state.range(0));
  Presence presence;
  for (const auto& digest : all) {
    presence.claim(kApp, digest);
    presence.arrived(kApp, digest);
  }
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(presence.sibling(kSibling, all[at]));
    at = (at + 7919) % all.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(asked_for_a_sibling)->Arg(1000)->Arg(100'000);

}  // namespace
}  // namespace transship::engine
