#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "oci/store.h"
#include "registry/auth/credentials.h"
#include "registry/options.h"
#include "transport/http.h"

namespace transship::registry {

class Host;
struct Profile;
struct Learned;

/// What a repository is opened for. Decides the scope of its tokens: nothing asks for more than it
/// uses.
enum class Access : std::uint8_t {
  kPull,  ///< repository:<name>:pull
  kPush   ///< repository:<name>:pull,push
};

/// One page of the catalog, and how to go on.
struct CatalogPage {
  std::vector<std::string> repositories;  ///< Valid names only; what else was listed is counted.
  std::size_t invalid = 0;
  std::optional<std::string> next;  ///< Opaque: hand it back. Nothing: this was the last page.
};

/// The host that answers for a registry's name: Docker Hub's API does not live where its names say.
std::string api_host(const std::string& name);

/// One registry host: its scheme, its tokens, its quirks, and what was learned of it.
///
/// Lives on the control shard; outlives the repositories that it made. Every method is a single
/// attempt, whose errors say whether another one may help.
class Registry {
 public:
  /// `host`: as a reference has it, "host", "host:port", or "docker.io" (whose API lives
  /// elsewhere). The other arguments outlive the registry.
  Registry(transport::HttpClient& http, CredentialSource& credentials, TimeSource& time,
           Options options, std::string host);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry();

  const std::string& host() const;

  /// Opens a repository; asks nothing yet.
  std::unique_ptr<oci::TargetRepository> repository(oci::RepositoryName name, Access access);

  /// Repositories of the registry (docker's catalog; not in the OCI specification). kUnsupported
  /// where there is none.
  Task<Result<CatalogPage>> catalog(std::optional<std::string> cursor);

  /// GET /v2/: it is a registry. A registry that asks for credentials is one too.
  Task<Result<void>> ping();

  /// What `login` verifies before it stores the credentials at hand: true, they are accepted;
  /// false, whoever asks without any is let in too, so that nothing tells. One that refuses is an
  /// error.
  Task<Result<bool>> check_login();

  /// Requests of all its repositories and its own, tokens too.
  const oci::RequestCounts& counts() const;
  const Profile& profile() const;
  const Learned& learned() const;
  /// A manifest PUT here is refused when its blobs are missing (profile, or seen): only then may
  /// what is remembered of blobs be trusted without asking.
  bool checks_blobs() const;

 private:
  std::unique_ptr<Host> host_;
};

}  // namespace transship::registry
