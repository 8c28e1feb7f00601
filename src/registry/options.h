#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "registry/auth/credentials.h"

namespace transship::registry {

/// Whether a registry is spoken to over TLS.
enum class Tls : std::uint8_t {
  kAuto,  ///< TLS; loopback hosts fall back to plain HTTP by themselves.
  kOn,    ///< TLS and nothing else.
  kOff    ///< Plain HTTP: the operator said so, and allows credentials on it.
};

/// The built-in profiles (profile.h), by name.
std::vector<std::string> profile_names();

/// What one registry's client may be told. Defaults are what a user gets who says nothing.
struct Options {
  Tls tls = Tls::kAuto;
  /// Name of a built-in profile ("harbor", "ecr", ...; profile.h); empty: found by itself.
  std::string profile;
  std::string user_agent;  ///< Empty: the transport's.
  /// Hosts (no port) of token servers that may get this registry's credentials although they are
  /// neither this host nor of its domain.
  std::vector<std::string> trusted_realms;

  std::uint64_t manifest_bytes = 4ULL << 20U;  ///< Largest manifest read.
  std::uint64_t referrers_page_bytes = 8ULL << 20U;
  /// All pages of one list of referrers together, as it is held whole: some 60,000 referrers.
  std::uint64_t referrers_bytes = 32ULL << 20U;
  std::uint64_t list_page_bytes = 64ULL << 20U;  ///< Tags and catalog.
  std::uint64_t token_bytes = 1ULL << 20U;
  std::uint64_t error_bytes = 1ULL << 20U;  ///< Proxies answer with whole web pages.
  std::size_t page_size = 1000;             ///< `n` of lists. ECR and distribution refuse more.
  std::size_t max_pages = 10'000;           ///< A list that has more is cut with an error.

  /// Chunk of chunked uploads where the registry sets no limit. Every PATCH costs a round trip.
  std::uint64_t chunk_bytes = 64ULL << 20U;
  std::chrono::milliseconds metadata_timeout{60'000};  ///< To the first byte of an answer.
  /// After the last byte of an upload: registries copy or hash for minutes. The
  /// transport adds to it by size.
  std::chrono::milliseconds commit_timeout{60'000};
};

}  // namespace transship::registry
