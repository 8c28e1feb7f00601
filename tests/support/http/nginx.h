#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace transship::test {

/// An nginx with a directory of its own. Ports are bound before it starts and handed over, as
/// nginx hands them to itself in an upgrade: none is guessed, and the first connect cannot fail.
class Nginx {
 public:
  Nginx() {
    std::string name = (std::filesystem::temp_directory_path() / "ts-nginx-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    std::filesystem::create_directories(directory_ / "www");
    std::filesystem::permissions(directory_, std::filesystem::perms::all);
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  ~Nginx() {
    stop();
    for (const int fd : listeners_) ::close(fd);
    std::filesystem::remove_all(directory_);
  }

  static bool installed() { return ::access("/usr/sbin/nginx", X_OK) == 0; }

  /// A loopback port for a `listen 127.0.0.1:<port>` of the configuration.
  std::uint16_t add_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(fd, 256);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    listeners_.push_back(fd);
    return ntohs(address.sin_port);
  }

  /// Writes a file below the directory; its full path.
  std::string write(const std::string& name, const std::string& text) const {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  std::string directory() const { return directory_.string(); }
  std::string read(const std::string& name) const {
    std::ifstream in(directory_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  /// `servers` is what stands inside of "http { }". The access log, access.log, has lines of
  /// "<protocol> <connection> <method> <uri> <status>".
  void start(const std::string& servers) {
    const std::string d = directory();
    const std::string conf = write(
        "nginx.conf", "daemon off;\nworker_processes 1;\nerror_log " + d + "/error.log;\npid " + d +
                          "/pid;\nevents { worker_connections 512; }\nhttp {\n"
                          "log_format t '$server_protocol $connection $request_method $uri "
                          "$status';\naccess_log " +
                          d + "/access.log t;\nclient_body_temp_path " + d +
                          "/body;\nproxy_temp_path " + d + "/proxy;\nfastcgi_temp_path " + d +
                          "/fcgi;\nuwsgi_temp_path " + d + "/uwsgi;\nscgi_temp_path " + d +
                          "/scgi;\nclient_max_body_size 0;\nkeepalive_requests 100000;\nroot " + d +
                          "/www;\n" + servers + "\n}\n");
    std::string inherited;
    for (const int fd : listeners_) inherited += std::to_string(fd) + ";";
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setenv("NGINX", inherited.c_str(), 1);
    ::execl("/usr/sbin/nginx", "nginx", "-c", conf.c_str(), "-e", (d + "/error.log").c_str(),
            nullptr);
    ::_exit(127);
  }

  /// Ends it in order: its log is complete then.
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGQUIT);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
  }

 private:
  std::filesystem::path directory_;
  std::vector<int> listeners_;
  pid_t pid_ = -1;
};

}  // namespace transship::test
