// The one translation unit that holds Asio's bodies (BOOST_ASIO_SEPARATE_COMPILATION): every other
// coroutine file is then parsed in about half the time.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
