// SPDX-License-Identifier: Apache-2.0
// A hard memory budget: what onnxruntime allocates in a run is counted, and an allocation that would pass the budget fails.
//
// onnxruntime has one allocator a process for this, so it is shared by all trainers with a budget, and their runs take turns: all
// that is allocated during a run, by any thread of it, is charged to that run's account.
#pragma once

#include <onnxruntime_c_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>

namespace tinyfoa {

// Bytes in use, the most that they were, and the most that they may be.
class Account {
public:
    // Count `nbytes` more; false where they would pass the limit.
    bool take(std::size_t nbytes) {
        const std::size_t live = live_.fetch_add(nbytes) + nbytes;
        if (live > limit_ || live < nbytes) {
            live_.fetch_sub(nbytes);
            is_exceeded_ = true;
            return false;
        }
        std::size_t peak = peak_;
        while (live > peak && !peak_.compare_exchange_weak(peak, live)) {
        }
        return true;
    }

    void give(std::size_t nbytes) { live_.fetch_sub(nbytes); }

    // Begin to watch a run: the peak counts from what is in use now.
    void begin(std::size_t limit) {
        limit_ = limit;
        peak_ = live_.load();
        is_exceeded_ = false;
    }

    std::size_t peak() const { return peak_; }
    bool is_exceeded() const { return is_exceeded_; }

private:
    std::atomic<std::size_t> live_{0};
    std::atomic<std::size_t> peak_{0};
    std::atomic<std::size_t> limit_{std::numeric_limits<std::size_t>::max()};
    std::atomic<bool> is_exceeded_{false};
};

// The allocator that is registered with onnxruntime's environment. It lives as long as the process: the application's
// environment may hold it beyond the last trainer.
class CountingAllocator : public OrtAllocator {
public:
    // `describe` says what memory it is: CPU memory.
    static CountingAllocator* instance(const OrtMemoryInfo* (*describe)()) {
        static CountingAllocator* const allocator = new CountingAllocator(describe());
        return allocator;
    }

    // Charge what is allocated while this object lives to an account.
    class Charge {
    public:
        explicit Charge(Account& account) : turn_(mutex()) { current() = &account; }
        ~Charge() { current() = nullptr; }
        Charge(const Charge&) = delete;
        Charge& operator=(const Charge&) = delete;

    private:
        std::lock_guard<std::mutex> turn_;
    };

private:
    // Before each block: who pays for it, and its size. As long as onnxruntime's alignment.
    struct Header {
        Account* account;
        std::size_t nbytes;
    };
    static constexpr std::size_t alignment = 64;
    static_assert(sizeof(Header) <= alignment, "the header must not move the block");

    explicit CountingAllocator(const OrtMemoryInfo* info) : OrtAllocator{}, info_(info) {
        version = 18;  // the fields up to Reserve, which may be empty: onnxruntime then calls Alloc
        Alloc = [](OrtAllocator*, std::size_t nbytes) { return allocate(nbytes); };
        Free = [](OrtAllocator*, void* block) { release(block); };
        Info = [](const OrtAllocator* self) { return static_cast<const CountingAllocator*>(self)->info_; };
    }

    static std::mutex& mutex() {
        static std::mutex mutex;
        return mutex;
    }

    static std::atomic<Account*>& current() {
        static std::atomic<Account*> account{nullptr};
        return account;
    }

    // onnxruntime does not look at what it gets, so a refusal is an exception: it becomes the status of the run.
    static void* allocate(std::size_t nbytes) {
        Account* account = current();
        if (nbytes > std::numeric_limits<std::size_t>::max() - alignment || (account != nullptr && !account->take(nbytes))) {
            throw std::runtime_error("the memory budget does not allow this allocation");
        }
        void* start = ::operator new(nbytes + alignment, std::align_val_t{alignment}, std::nothrow);
        if (start == nullptr) {
            if (account != nullptr) {
                account->give(nbytes);
            }
            throw std::bad_alloc();
        }
        new (start) Header{account, nbytes};
        return static_cast<char*>(start) + alignment;
    }

    static void release(void* block) {
        if (block == nullptr) {
            return;
        }
        void* start = static_cast<char*>(block) - alignment;
        const Header header = *static_cast<Header*>(start);
        if (header.account != nullptr) {
            header.account->give(header.nbytes);
        }
        ::operator delete(start, std::align_val_t{alignment});
    }

    const OrtMemoryInfo* info_;
};

}  // namespace tinyfoa
