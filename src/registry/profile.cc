#include "registry/profile.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "registry/auth/challenge.h"
#include "registry/options.h"

namespace transship::registry {

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;

// protocol.md 7.1 and 1.7. Figures are the registries' own limits.
constexpr std::array<Profile, 15> kProfiles = {{
    {.name = "generic"},
    {.name = "distribution", .checks_blobs = true},
    {.name = "zot", .checks_blobs = true, .single_post = true, .listing = TagListing::kZotSearch},
    {.name = "harbor",
     .checks_blobs = true,
     .listing = TagListing::kHarborArtifacts,
     .missing_repository_hint = "create the Harbor project first"},
    {.name = "quay",
     .checks_blobs = true,
     .single_post = true,
     .status_one_more = true,
     .missing_repository_hint = "create the Quay organisation or repository first"},
    {.name = "dockerhub", .checks_blobs = true, .listing = TagListing::kHubTags},
    // Chunks above 4 MiB are refused, single PUTs go to 10 GB; a manifest is stored whatever it
    // refers to; the referrers path redirects to the web site.
    {.name = "ghcr", .chunk_max = 4 * kMiB, .mounts = true, .referrers_api = false},
    // Its Range freezes after the first chunk, its final PUT may not be empty: never chunks. A
    // mount needs an account setting and a manifest that refers to the blob.
    {.name = "ecr",
     .chunk_max = 10 * kMiB,
     .chunk_min = 5 * kMiB,
     .mounts = false,
     .checks_blobs = true,
     .missing_repository_hint =
         "create it first: aws ecr create-repository --repository-name NAME"},
    {.name = "gcr", .checks_blobs = true, .listing = TagListing::kGoogleManifests},
    {.name = "gar",
     .checks_blobs = true,
     .listing = TagListing::kGoogleManifests,
     .list_end = 10'000,
     .missing_repository_hint = "create it first: gcloud artifacts repositories create"},
    // Single PUTs above 20 MB have been refused with 413; chunked transfer encoding is.
    {.name = "acr",
     .upload = UploadForm::kChunked,
     .chunk_max = 16 * kMiB,
     .listing = TagListing::kAcrTags},
    // Older versions fail on a single PUT. Explicit mounts are refused.
    {.name = "artifactory", .upload = UploadForm::kStreamedPatch, .mounts = false},
    {.name = "gitlab", .checks_blobs = true},
    {.name = "nexus", .referrers_api = false},
    // Blobs are read without a look at Range.
    {.name = "gitea", .single_post = true, .ranges = false},
}};

struct HostPattern {
  std::string_view text;  ///< "*.suffix", or a whole name.
  std::string_view profile;
};

constexpr std::array<HostPattern, 17> kHosts = {{{"docker.io", "dockerhub"},
                                                 {"registry-1.docker.io", "dockerhub"},
                                                 {"index.docker.io", "dockerhub"},
                                                 {"ghcr.io", "ghcr"},
                                                 {"public.ecr.aws", "ecr"},
                                                 {"*.azurecr.io", "acr"},
                                                 {"*.azurecr.cn", "acr"},
                                                 {"gcr.io", "gcr"},
                                                 {"*.gcr.io", "gcr"},
                                                 {"*.pkg.dev", "gar"},
                                                 {"quay.io", "quay"},
                                                 {"*.jfrog.io", "artifactory"},
                                                 {"registry.gitlab.com", "gitlab"},
                                                 {"registry.redhat.io", "generic"},
                                                 {"codeberg.org", "gitea"},
                                                 {"gitea.com", "gitea"},
                                                 {"demo.goharbor.io", "harbor"}}};

bool matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return host == pattern;
  return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
}

// 123456789012.dkr.ecr[-fips].<region>.<one of Amazon's domains>, and its dual-stack form
// (dkr-ecr).
bool is_ecr(std::string_view host) {
  const auto dot = host.find_first_of(".-", 0);
  const std::string_view account = host.substr(0, host.find('.'));
  if (dot == std::string_view::npos || account.size() != 12 || !parse_u64(account)) return false;
  const std::string_view rest = host.substr(12);
  return rest.starts_with(".dkr.ecr.") || rest.starts_with(".dkr.ecr-fips.") ||
         rest.starts_with(".dkr-ecr.") || rest.starts_with(".dkr-ecr-fips.");
}

const Profile& named(std::string_view name) {
  const auto found = std::ranges::find(kProfiles, name, &Profile::name);
  return found == kProfiles.end() ? kProfiles.front() : *found;
}

}  // namespace

const Profile& profile_for_host(std::string_view host) {
  const std::string lower = to_lower(host);
  const std::string_view name = std::string_view(lower).substr(0, lower.find(':'));
  if (is_ecr(name)) return named("ecr");
  for (const HostPattern& each : kHosts) {
    if (matches(each.text, name)) return named(each.profile);
  }
  return kProfiles.front();
}

const Profile* profile_by_name(std::string_view name) {
  const auto found = std::ranges::find(kProfiles, name, &Profile::name);
  return found == kProfiles.end() ? nullptr : &*found;
}

std::vector<std::string> profile_names() {
  std::vector<std::string> out;
  out.reserve(kProfiles.size());
  for (const Profile& each : kProfiles) out.emplace_back(each.name);
  return out;
}

const Profile* profile_from_answer(const transport::Response& response) {
  const transport::Headers& headers = response.headers;
  if (headers.find("X-Artifactory-Id") || headers.find("X-JFrog-Version")) {
    return &named("artifactory");
  }
  if (headers.find("X-Harbor-Csrf-Token")) return &named("harbor");
  // zot lets its own web page in, and says so in every answer.
  if (const auto allowed = headers.find("Access-Control-Allow-Headers")) {
    if (to_lower(*allowed).contains("x-zot-api-client")) return &named("zot");
  }
  if (const auto server = headers.find("Server")) {
    if (to_lower(*server).contains("nexus")) return &named("nexus");
  }
  if (response.status != 401) return nullptr;
  const auto challenge = choose_challenge(headers.find_all("WWW-Authenticate"));
  if (!challenge) return nullptr;
  if (challenge->service == "harbor-registry") return &named("harbor");
  if (challenge->realm.ends_with("/v2/auth")) return &named("quay");
  if (challenge->realm.ends_with("/jwt/auth")) return &named("gitlab");
  if (challenge->realm.contains("/artifactory/api/docker/")) return &named("artifactory");
  if (challenge->realm.ends_with(".azurecr.io/oauth2/token")) return &named("acr");
  return nullptr;
}

}  // namespace transship::registry
