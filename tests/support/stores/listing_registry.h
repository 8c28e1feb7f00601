#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/http/scripted_http.h"

namespace transship::test {

/// The tag lists of one repository as a kind of registry gives them: the specification's list, and
/// its own that says what tags name. It may lie in the ways that registries do.
class ListingRegistry {
 public:
  enum class Kind : std::uint8_t { kPlain, kAcr, kGoogle, kHarbor, kHub, kZot };
  /// What the vendor's own list (for Google: the only one) does wrong.
  struct Lies {
    std::size_t cut_at = 0;           ///< Ends there, and says nothing of it.
    std::size_t count_says = 0;       ///< The total that it claims; 0: the truth.
    bool no_digests = false;          ///< Every third tag names nothing.
    bool circles = false;             ///< The third page is the first again, and so on.
    bool repeats = false;             ///< Each page comes twice.
    bool digests_among_tags = false;  ///< "sha256:..." is listed as if it were a tag.
    bool unsorted = false;
    int status = 200;          ///< Of every page of the vendor's list.
    std::size_t fails_at = 0;  ///< From that page on (1 is the first) the status is 500.
    std::string body{};        ///< In place of every page.
  };

  ListingRegistry(Kind kind, std::string name) : kind_(kind), name_(std::move(name)) {}

  /// Answers every GET of `http`.
  void serve(ScriptedHttp& http);
  /// Tags v00000...
  void fill(std::size_t tags);
  static std::string digest_of(std::size_t number);

  std::map<std::string, std::string> tags;  ///< With their digests.
  Lies lies;
  std::size_t plain_page = 1000;  ///< Most of the specification's list.

 private:
  using Rows = std::vector<std::pair<std::string, std::string>>;
  transport::Response answer(const SentRequest& sent) const;
  transport::Response plain(const SentRequest& sent) const;
  transport::Response vendor(const SentRequest& sent) const;
  transport::Response acr(const SentRequest& sent) const;
  Rows rows() const;
  Rows page_of(const Rows& all, std::size_t page, std::size_t size) const;
  std::string google_manifests() const;
  bool is_vendor(std::string_view path) const;

  Kind kind_;
  std::string name_;
};

}  // namespace transship::test
