#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "oci/manifest.h"

// Manifests parsed from remote bytes, digest included: images of some layers, indexes of some
// children. Read items_per_second: descriptors.

namespace transship::oci {
namespace {

std::string descriptor(std::string_view type, std::int64_t number) {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}}})", type,
                     digest_of(fmt::format("{}", number)).to_string(), 1000 + number);
}

std::string list(std::string_view type, std::int64_t count) {
  std::string out;
  for (std::int64_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    out += descriptor(type, i);
  }
  return out;
}

constexpr std::string_view kImage = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kIndex = "application/vnd.oci.image.index.v1+json";

void parse(benchmark::State& state, const std::string& text, std::string_view type) {
  const Digest digest = digest_of(text);
  for (auto _ : state) {
    auto manifest = parse_manifest(text, type, digest);
    if (!manifest) return state.SkipWithError(manifest.error().message.c_str());
    benchmark::DoNotOptimize(manifest);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void image(benchmark::State& state) {
  parse(state,
        fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})", kImage,
                    descriptor("application/vnd.oci.image.config.v1+json", -1),
                    list("application/vnd.oci.image.layer.v1.tar+gzip", state.range(0))),
        kImage);
}
BENCHMARK(image)->Arg(6)->Arg(100);

void index(benchmark::State& state) {
  parse(state,
        fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}})", kIndex,
                    list(kImage, state.range(0))),
        kIndex);
}
BENCHMARK(index)->Arg(10)->Arg(10'000);

}  // namespace
}  // namespace transship::oci
