#include "server/authenticator.h"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>

#include "base/text.h"
#include "base/text_file.h"

namespace transship::server {

namespace {

// Cost 10, the hash of nothing anybody knows: what an unknown user is compared with.
constexpr std::string_view kNobody = "$2y$10$abcdefghijklmnopqrstuuO3u3qJBYLGN0tHyYzQ2Yb3VqcvpMnzW";
constexpr std::size_t kMaxBcryptAtOnce = 2;
constexpr std::size_t kMaxBcryptWaiting = 64;
constexpr std::size_t kMaxVerified = 10'000;

bool is_bcrypt(std::string_view hash) {
  return hash.size() == 60 &&
         (hash.starts_with("$2y$") || hash.starts_with("$2b$") || hash.starts_with("$2a$"));
}

bool bcrypt_matches(const std::string& password, const std::string& hash) {
  auto data = std::make_unique<crypt_data>();
  std::memset(data.get(), 0, sizeof *data);
  const char* found = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  return found != nullptr && std::strlen(found) == hash.size() &&
         CRYPTO_memcmp(found, hash.data(), hash.size()) == 0;
}

}  // namespace

Result<std::unique_ptr<Authenticator>> Authenticator::open(const std::filesystem::path& htpasswd,
                                                           bool anonymous_read,
                                                           const Executor& executor,
                                                           WorkerPool& pool) {
  std::unique_ptr<Authenticator> out(new Authenticator(executor, pool));
  out->open_ = htpasswd.empty();
  out->anonymous_read_ = anonymous_read;
  if (RAND_bytes(out->key_.data(), static_cast<int>(out->key_.size())) != 1) {
    return fail(Errc::kInternal, "no random bytes");
  }
  if (out->open_) return out;
  TS_TRY(const std::string content, read_file(htpasswd));
  int number = 0;
  for (const std::string_view line : split(content, '\n')) {
    ++number;
    const std::string_view text = trim(line);
    if (text.empty() || text.starts_with('#')) continue;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || !is_bcrypt(text.substr(colon + 1))) {
      return std::unexpected(
          Error{.code = Errc::kInvalidArgument,
                .message = fmt::format("{}:{}: not a bcrypt entry", htpasswd.string(), number)}
              .with_hint("write entries with: htpasswd -B FILE USER"));
    }
    out->hashes_.insert_or_assign(std::string(text.substr(0, colon)),
                                  std::string(text.substr(colon + 1)));
  }
  return out;
}

std::string Authenticator::keyed(std::string_view credentials) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(credentials.data()), credentials.size(), out.data(),
       &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::optional<Authenticator::Verdict> Authenticator::check_known(Request& request) const {
  if (open_) return Verdict::kGranted;
  if (request.authorization.empty()) {
    return anonymous_read_ && request.is_read() ? Verdict::kGranted : Verdict::kRefused;
  }
  const auto it = verified_.find(keyed(request.authorization));
  if (it == verified_.end()) return std::nullopt;
  request.user = it->second;
  return Verdict::kGranted;
}

Task<Authenticator::Verdict> Authenticator::check(Request& request) {
  constexpr std::string_view kBasic = "basic ";
  const std::string_view header = request.authorization;
  if (!iequals(header.substr(0, kBasic.size()), kBasic)) co_return Verdict::kRefused;
  const auto pair = base64_decode(trim(header.substr(kBasic.size())));
  const std::size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos || pair->contains('\0')) co_return Verdict::kRefused;
  std::string user = pair->substr(0, colon);
  const std::string key = keyed(request.authorization);
  const Verdict verdict = co_await verify(user, pair->substr(colon + 1), key);
  if (verdict == Verdict::kGranted) request.user = std::move(user);
  co_return verdict;
}

Task<Authenticator::Verdict> Authenticator::verify(std::string user, std::string password,
                                                   std::string key) {
  if (running_ >= kMaxBcryptWaiting) co_return Verdict::kBusy;
  // A client that opens many connections at once costs one bcrypt.
  ++running_;
  while (verifying_.contains(key) || verifying_.size() >= kMaxBcryptAtOnce) {
    co_await verified_now_.wait_uncancelled();
  }
  if (!verified_.contains(key)) {
    verifying_.insert(key);
    const auto known = hashes_.find(user);
    std::string hash(known == hashes_.end() ? kNobody : known->second);
    const bool right =
        co_await pool_->run([password, hash] { return bcrypt_matches(password, hash); });
    verifying_.erase(key);
    verified_now_.notify_all();
    if (right && known != hashes_.end()) {
      if (verified_.size() >= kMaxVerified) verified_.clear();
      verified_.emplace(key, user);
    }
  }
  --running_;
  co_return verified_.contains(key) ? Verdict::kGranted : Verdict::kRefused;
}

}  // namespace transship::server
