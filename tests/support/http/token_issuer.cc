#include "support/http/token_issuer.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <atomic>
#include <ctime>
#include <sstream>

namespace transship::test {

namespace {

std::string base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()),
                                static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

std::string base64url(const std::string& bytes) {
  std::string out = base64(bytes);
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::string decode_base64(std::string text) {
  const auto padding = static_cast<std::size_t>(std::ranges::count(text, '='));
  std::string out(text.size(), '\0');
  const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(text.data()),
                                static_cast<int>(text.size()));
  out.resize(n < 0 ? 0 : static_cast<std::size_t>(n) - padding);
  return out;
}

// The base64 between the lines of a PEM file: what x5c holds.
std::string pem_body(const std::string& pem) {
  std::istringstream lines(pem);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("-----")) out += line;
  }
  return out;
}

// ES256: two 32-byte integers, where OpenSSL gives DER.
std::string sign_es256(const std::string& key_pem, const std::string& text) {
  BIO* bio = BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key);
  std::size_t size = 256;
  unsigned char der[256];
  EVP_DigestSign(context, der, &size, reinterpret_cast<const unsigned char*>(text.data()),
                 text.size());
  const unsigned char* at = der;
  ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
  std::string out(64, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(parts), bytes, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(parts), bytes + 32, 32);
  ECDSA_SIG_free(parts);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(bio);
  return out;
}

std::string percent_decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// Several scopes of a GET are joined by spaces, as a POST does.
std::map<std::string, std::string> parse_form(const std::string& text) {
  std::map<std::string, std::string> out;
  std::istringstream fields(text);
  for (std::string field; std::getline(fields, field, '&');) {
    const auto equals = field.find('=');
    if (equals == std::string::npos) continue;
    std::string& value = out[percent_decoded(field.substr(0, equals))];
    if (!value.empty()) value += ' ';
    value += percent_decoded(field.substr(equals + 1));
  }
  return out;
}

std::string value_or_empty(const std::map<std::string, std::string>& form, const char* name) {
  const auto found = form.find(name);
  return found == form.end() ? "" : found->second;
}

std::string header_value(const std::string& head, const std::string& name) {
  std::istringstream lines(head);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (!std::ranges::equal(line.substr(0, name.size()), name, [](char a, char b) {
          return std::tolower(static_cast<unsigned char>(a)) == b;
        })) {
      continue;
    }
    std::string value = line.substr(name.size() + 1);
    while (!value.empty() && (value.back() == '\r' || value.back() == ' ')) value.pop_back();
    return value.substr(std::min(value.size(), value.find_first_not_of(' ')));
  }
  return {};
}

std::string quoted_list(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "\"" : ",\"") + item + "\"";
  return "[" + out + "]";
}

// "repository:host:5000/app:pull,push" to one entry of "access"; "" when nothing is granted.
std::string access_entry(const std::string& scope, const std::set<std::string>& withheld,
                         bool pull_only) {
  const auto first = scope.find(':');
  const auto last = scope.rfind(':');
  if (first == std::string::npos || last == first) return {};
  std::vector<std::string> granted;
  std::istringstream actions(scope.substr(last + 1));
  for (std::string action; std::getline(actions, action, ',');) {
    if (withheld.contains(action) || (pull_only && action != "pull")) continue;
    granted.push_back(action);
  }
  if (granted.empty()) return {};
  return R"({"type":")" + scope.substr(0, first) + R"(","name":")" +
         scope.substr(first + 1, last - first - 1) + R"(","actions":)" + quoted_list(granted) + "}";
}

constexpr std::string_view kRefreshPrefix = "refresh-of-";

}  // namespace

TokenIssuer::TokenIssuer(Options options)
    : options_(std::move(options)),
      certificate_(Certificate::make({.common_name = "token issuer", .is_ca = true})),
      server_([this](RawConnection& connection) { serve(connection); }) {}

RegistrySpec::Token TokenIssuer::trust() const {
  return {.realm = realm(),
          .service = options_.service,
          .issuer = options_.issuer,
          .root_pem = certificate_.pem()};
}

std::vector<TokenRequest> TokenIssuer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void TokenIssuer::forget() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
}

std::string TokenIssuer::refresh_token(const std::string& user) const {
  return std::string(kRefreshPrefix) + user;
}

std::string TokenIssuer::token(const std::vector<std::string>& scopes,
                               const std::string& user) const {
  static std::atomic<int> serial{0};
  std::string access;
  for (const auto& scope : scopes) {
    const auto entry = access_entry(scope, options_.withheld, user.empty());
    if (!entry.empty()) access += (access.empty() ? "" : ",") + entry;
  }
  const auto now = std::time(nullptr) - options_.leeway.count();
  std::ostringstream claims;
  claims << R"({"iss":")" << options_.issuer << R"(","sub":")" << user << R"(","aud":")"
         << options_.service << R"(","exp":)" << now + options_.expires_in << R"(,"nbf":)"
         << now - 30 << R"(,"iat":)" << now << R"(,"jti":"t)" << ++serial << R"(","access":[)"
         << access << "]}";
  const std::string header =
      R"({"typ":"JWT","alg":"ES256","x5c":[")" + pem_body(certificate_.pem()) + R"("]})";
  const std::string text = base64url(header) + "." + base64url(claims.str());
  return text + "." + base64url(sign_es256(certificate_.key_pem(), text));
}

std::optional<std::string> TokenIssuer::authenticated(
    const TokenRequest& request, const std::map<std::string, std::string>& form,
    const std::string& authorization, bool& refused) const {
  std::string user, password;
  if (request.grant_type == "refresh_token") {
    const std::string kept = value_or_empty(form, "refresh_token");
    if (kept.starts_with(kRefreshPrefix)) user = kept.substr(kRefreshPrefix.size());
    refused = !options_.users.contains(user);
    return user;
  }
  if (request.method == "POST") {
    user = value_or_empty(form, "username");
    password = value_or_empty(form, "password");
  } else if (authorization.starts_with("Basic ")) {
    const std::string pair = decode_base64(authorization.substr(6));
    user = pair.substr(0, pair.find(':'));
    password = pair.substr(std::min(pair.size(), pair.find(':') + 1));
  }
  if (user.empty()) {
    refused = !options_.anonymous;
    return std::nullopt;
  }
  const auto known = options_.users.find(user);
  refused = known == options_.users.end() || known->second != password;
  return user;
}

TokenIssuer::Answer TokenIssuer::answer(TokenRequest& request,
                                        const std::map<std::string, std::string>& form,
                                        const std::string& authorization) const {
  request.service = value_or_empty(form, "service");
  request.account = value_or_empty(form, "account");
  request.grant_type = value_or_empty(form, "grant_type");
  std::istringstream scopes(value_or_empty(form, "scope"));
  for (std::string scope; scopes >> scope;) request.scopes.push_back(scope);
  if (request.method == "POST" && !options_.post_flow) return {.status = 405, .body = "{}"};
  bool refused = false;
  const auto user = authenticated(request, form, authorization, refused);
  request.user = user.value_or("");
  if (refused) {
    return {.status = 401,
            .body = R"({"errors":[{"code":"UNAUTHORIZED","message":"wrong user or password"}]})"};
  }
  std::vector<std::string> granted = request.scopes;
  if (granted.size() > 1 && options_.further != Options::Further::kGranted) {
    if (options_.further == Options::Further::kRefused) {
      return {.status = 403, .body = R"({"errors":[{"code":"DENIED","message":"one at a time"}]})"};
    }
    granted.resize(1);
  }
  const std::string jwt = token(granted, request.user);
  const bool offline = value_or_empty(form, "offline_token") == "true" ||
                       value_or_empty(form, "access_type") == "offline";
  std::ostringstream body;
  body << R"({"token":")" << jwt << R"(","access_token":")" << jwt << R"(","expires_in":)"
       << options_.expires_in;
  if (offline) body << R"(,"refresh_token":")" << refresh_token(request.user) << '"';
  body << "}";
  return {.status = 200, .body = body.str()};
}

void TokenIssuer::serve(RawConnection& connection) {
  for (;;) {
    const std::string head = connection.read_head();
    if (head.empty()) return;
    TokenRequest request;
    std::string target;
    std::istringstream(head) >> request.method >> target;
    const std::string length = header_value(head, "content-length");
    const std::string body = connection.read_body(length.empty() ? 0 : std::stoul(length));
    const auto query = target.find('?');
    const auto form = parse_form(request.method == "POST"     ? body
                                 : query == std::string::npos ? ""
                                                              : target.substr(query + 1));
    const Answer out = answer(request, form, header_value(head, "authorization"));
    request.status = out.status;
    if (options_.delay.count() > 0) std::this_thread::sleep_for(options_.delay);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const std::string status = std::to_string(out.status) + (out.status == 200 ? " OK" : " No");
    if (!connection.respond(status, "Content-Type: application/json\r\n", out.body)) return;
    if (header_value(head, "connection") == "close") return;
  }
}

}  // namespace transship::test
