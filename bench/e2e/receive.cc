// The floor that a server's PUT is compared with: one connection, read, hashed (OpenSSL) and
// written to a file in pieces of 256 KiB, synced at the end. No HTTP, one thread.
//
//   receive FILE      prints its port on loopback; then the digest, and the CPU seconds it took
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr std::size_t kPiece = 256U << 10U;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

int accept_one() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, generic, size) != 0 || ::listen(listener, 1) != 0) fail("listen");
  ::getsockname(listener, generic, &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return ::accept(listener, nullptr, nullptr);
}

// 0: the end.
std::size_t fill(int from, std::vector<char>& piece) {
  std::size_t filled = 0;
  while (filled < piece.size()) {
    const ssize_t n = ::recv(from, piece.data() + filled, piece.size() - filled, 0);
    if (n < 0) fail("recv");
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
  }
  return filled;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const int file = ::open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail("open");
  EVP_MD_CTX* const hash = EVP_MD_CTX_new();
  EVP_DigestInit_ex(hash, EVP_sha256(), nullptr);
  const int connection = accept_one();
  const double before = cpu_seconds();
  std::vector<char> piece(kPiece);
  while (const std::size_t bytes = fill(connection, piece)) {
    EVP_DigestUpdate(hash, piece.data(), bytes);
    if (::write(file, piece.data(), bytes) != static_cast<ssize_t>(bytes)) fail("write");
  }
  if (::fsync(file) != 0) fail("fsync");
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_DigestFinal_ex(hash, digest.data(), &size);
  const double used = cpu_seconds() - before;
  for (unsigned i = 0; i < size; ++i) std::printf("%02x", digest[i]);
  std::printf(" %f\n", used);
  EVP_MD_CTX_free(hash);
  return 0;
}
