// SPDX-License-Identifier: Apache-2.0
// Files (POSIX): read after their size is known, written so that they are there whole or not at all.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tinyfoa_ort/error.hpp"
#include "tinyfoa_ort/sha256.hpp"

namespace tinyfoa {

namespace fs = std::filesystem;

namespace detail {

inline std::string reason() { return std::strerror(errno); }

inline Error unreadable(const std::string& path, const std::string& mend) {
    return input_error(path, "cannot be read (" + reason() + ")", mend);
}

inline Error unwritable(const std::string& path) {
    return input_error(path, "cannot be written (" + reason() + ")", "name a file in a folder that can be written to");
}

// Refuse what is no regular file: a pipe or a device may never end, a link may lead out of the folder.
inline void check_regular(const std::string& place, const struct stat& found, const std::string& mend) {
    if (!S_ISREG(found.st_mode)) {
        const char* kind = S_ISDIR(found.st_mode) ? "a folder" : S_ISLNK(found.st_mode) ? "a link" : "a pipe or a device";
        throw input_error(place, std::string("is ") + kind + ", no regular file", mend);
    }
}

// An open file; closed at the end.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    int number() const { return number_; }
    bool is_open() const { return number_ >= 0; }

private:
    int number_ = -1;
};

}  // namespace detail

enum class Links { follow, refuse };

// Bytes of a file, `stop` not among them.
struct ByteRange {
    std::uint64_t start = 0, stop = 0;
};

// A regular file that is read from its beginning to its end.
class InputFile {
public:
    InputFile(const fs::path& path, const std::string& mend, Links links = Links::follow) : place_(path.string()), mend_(mend) {
        struct stat found{};
        const int failed = links == Links::follow ? ::stat(path.c_str(), &found) : ::lstat(path.c_str(), &found);
        if (failed != 0) {
            throw detail::unreadable(place_, mend_);
        }
        detail::check_regular(place_, found, mend_);
        // A pipe that takes the file's place meanwhile is not waited for.
        const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == Links::refuse ? O_NOFOLLOW : 0);
        file_ = detail::Descriptor(::open(path.c_str(), flags));
        if (!file_.is_open() || ::fstat(file_.number(), &found) != 0) {
            throw detail::unreadable(place_, mend_);
        }
        detail::check_regular(place_, found, mend_);
        nbytes_ = static_cast<std::uint64_t>(found.st_size);
    }

    const std::string& place() const { return place_; }
    std::uint64_t nbytes() const { return nbytes_; }

    void read(void* into, std::size_t nbytes) {
        auto* bytes = static_cast<unsigned char*>(into);
        while (nbytes > 0) {
            const ssize_t count = ::read(file_.number(), bytes, nbytes < largest_read ? nbytes : largest_read);
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0) {
                throw detail::unreadable(place_, mend_);
            }
            if (count == 0) {
                throw input_error(place_, "ends too early", mend_);
            }
            bytes += count;
            nbytes -= static_cast<std::size_t>(count);
        }
    }

    std::string read_text(std::uint64_t largest) {
        if (nbytes_ > largest) {
            throw input_error(place_, "is larger than " + std::to_string(largest) + " bytes", mend_);
        }
        std::string text(static_cast<std::size_t>(nbytes_), '\0');
        read(text.data(), text.size());
        return text;
    }

    // Read so many bytes and give them to `take`, a piece at a time.
    void pass(std::uint64_t nbytes, const std::function<void(const void*, std::size_t)>& take) {
        std::vector<unsigned char> piece(1 << 16);
        while (nbytes > 0) {
            const std::size_t count = nbytes < piece.size() ? static_cast<std::size_t>(nbytes) : piece.size();
            read(piece.data(), count);
            take(piece.data(), count);
            nbytes -= count;
        }
    }

    // The SHA-256 of the file, but for ranges of rising bytes; it stands at its beginning again afterwards.
    std::string sha256(const std::vector<ByteRange>& without = {}) {
        Sha256 hash;
        const auto count = [&](const void* data, std::size_t nbytes) { hash.update(data, nbytes); };
        rewind();
        std::uint64_t at = 0;
        for (const ByteRange& range : without) {
            pass(range.start - at, count);
            pass(range.stop - range.start, [](const void*, std::size_t) {});
            at = range.stop;
        }
        pass(nbytes_ - at, count);
        rewind();
        return hash.hex_digest();
    }

private:
    static constexpr std::size_t largest_read = std::size_t{1} << 30;

    void rewind() {
        if (::lseek(file_.number(), 0, SEEK_SET) != 0) {
            throw detail::unreadable(place_, mend_);
        }
    }

    std::string place_;
    std::string mend_;
    detail::Descriptor file_;
    std::uint64_t nbytes_ = 0;
};

// The path of a file in a folder from outside, of which no part below the folder is a link, which may lead out of it.
inline fs::path below(const fs::path& folder, const std::string& name, const std::string& mend) {
    fs::path path = folder;
    for (std::size_t start = 0; start <= name.size();) {
        const std::size_t stop = std::min(name.find('/', start), name.size());
        const std::string part = name.substr(start, stop - start);
        if (part.empty() || part == "." || part == ".." || part.find_first_of(std::string("\0\\:", 3)) != std::string::npos) {
            throw input_error(folder.string() + ", '" + name.substr(0, 48) + "'", "lies outside the folder", mend);
        }
        path /= part;
        std::error_code failed;
        if (fs::is_symlink(path, failed)) {
            throw input_error(path.string(), "is a link, which may lead out of its folder", mend);
        }
        start = stop + 1;
    }
    return path;
}

// Wait until new, renamed and removed names in a folder are on the disk.
inline void sync_folder(const fs::path& folder) {
    const fs::path path = folder.empty() ? fs::path(".") : folder;
    const detail::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    // EINVAL: a file system that cannot; it has written the names already.
    if (!file.is_open() || (::fsync(file.number()) != 0 && errno != EINVAL)) {
        throw input_error(path.string(), "cannot be written (" + detail::reason() + ")", "name a folder on a sound disk");
    }
}

// A new file that takes the place of `path` when it is committed: even after a power cut there is the old one or the new one.
class ReplacingFile {
public:
    explicit ReplacingFile(const fs::path& path)
        : path_(path), temporary_(path.parent_path() / ("." + path.filename().string() + "." + std::to_string(::getpid()))) {
        struct stat there{};
        if (::lstat(path.c_str(), &there) == 0) {
            detail::check_regular(path_.string(), there, "name a file");
        }
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        file_ = detail::Descriptor(::open(temporary_.c_str(), flags, 0666));
        if (!file_.is_open() && errno == EEXIST) {  // of a process that was killed, and had the number of this one
            ::unlink(temporary_.c_str());
            file_ = detail::Descriptor(::open(temporary_.c_str(), flags, 0666));
        }
        if (!file_.is_open()) {
            throw detail::unwritable(path_.string());
        }
        pending_.reserve(buffered);
    }
    ReplacingFile(const ReplacingFile&) = delete;
    ReplacingFile& operator=(const ReplacingFile&) = delete;

    ~ReplacingFile() {
        if (!is_committed_) {
            ::unlink(temporary_.c_str());
        }
    }

    void append(const void* data, std::size_t nbytes) {
        hash_.update(data, nbytes);
        nbytes_ += nbytes;
        const auto* bytes = static_cast<const unsigned char*>(data);
        if (pending_.size() + nbytes > buffered) {
            flush();
        }
        if (nbytes >= buffered) {
            write(bytes, nbytes);
        } else {
            pending_.insert(pending_.end(), bytes, bytes + nbytes);
        }
    }

    // Bytes appended so far.
    std::uint64_t nbytes() const { return nbytes_; }

    // Put the file in its place; returns its SHA-256.
    std::string commit() {
        flush();
        if (::fsync(file_.number()) != 0) {
            throw detail::unwritable(path_.string());
        }
        file_ = detail::Descriptor();
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
            throw detail::unwritable(path_.string());
        }
        is_committed_ = true;
        sync_folder(path_.parent_path());
        return hash_.hex_digest();
    }

private:
    static constexpr std::size_t buffered = 1 << 16;

    void flush() {
        write(pending_.data(), pending_.size());
        pending_.clear();
    }

    void write(const unsigned char* bytes, std::size_t nbytes) {
        while (nbytes > 0) {
            const ssize_t count = ::write(file_.number(), bytes, nbytes);
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0) {
                throw detail::unwritable(path_.string());
            }
            bytes += count;
            nbytes -= static_cast<std::size_t>(count);
        }
    }

    fs::path path_;
    fs::path temporary_;
    detail::Descriptor file_;
    std::vector<unsigned char> pending_;
    Sha256 hash_;
    std::uint64_t nbytes_ = 0;
    bool is_committed_ = false;
};

inline void write_whole(const fs::path& path, const std::string& content) {
    ReplacingFile file(path);
    file.append(content.data(), content.size());
    file.commit();
}

// Make a folder and those above it, and wait until their names are on the disk.
inline void make_folder(const fs::path& folder) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) {
        throw input_error(folder.string(), "cannot be made (" + failed.message() + ")", "name a folder that can be written to");
    }
    const fs::path whole = fs::absolute(folder, failed);
    sync_folder(whole.has_filename() ? whole.parent_path() : whole.parent_path().parent_path());
}

}  // namespace tinyfoa
