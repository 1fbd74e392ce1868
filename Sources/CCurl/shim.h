#include <curl/curl.h>

/* libcurl sets and reads options through functions of a variable number of arguments, which Swift cannot
 * call: one function for each type that an option takes. */
static inline CURLcode bolster_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode bolster_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode bolster_curl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}

typedef size_t (*bolster_curl_sink)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode bolster_curl_set_sink(CURL *handle, CURLoption option, bolster_curl_sink sink) {
    return curl_easy_setopt(handle, option, sink);
}

static inline CURLcode bolster_curl_set_progress(CURL *handle, curl_xferinfo_callback callback) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, callback);
}
