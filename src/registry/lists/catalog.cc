#include <fmt/format.h>

#include "base/text.h"
#include "registry/lists/lists.h"
#include "registry/registry.h"

namespace transship::registry {

Task<Result<CatalogPage>> Registry::catalog(std::optional<std::string> cursor) {
  const std::string what = "catalog of " + host();
  const std::string start = fmt::format("/v2/_catalog?n={}", host_->options().page_size);
  Call list;
  list.kind = &oci::RequestCounts::other;
  list.scopes = ScopeSet({Scope::catalog()});
  Result<ListPage> page =
      co_await list_page(*host_, std::move(list), start, std::move(cursor), "repositories");
  if (!page) {
    Error error = std::move(page).error().within(what);
    if (error.http_status == 404 || error.http_status == 405) error.code = Errc::kUnsupported;
    if (error.code == Errc::kUnsupported || error.code == Errc::kUnauthorized ||
        error.code == Errc::kDenied) {
      error.hint = "many registries list no repositories: name them";
    }
    co_return std::unexpected(std::move(error));
  }
  CatalogPage out;
  out.invalid = page->others;
  out.next = page->next;
  for (std::string& entry : page->entries) {
    if (oci::RepositoryName::parse(entry)) {
      out.repositories.push_back(std::move(entry));
    } else {
      ++out.invalid;
    }
  }
  co_return out;
}

}  // namespace transship::registry
