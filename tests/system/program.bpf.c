/* program.bpf.c - the smallest program that can be loaded, for kernel.test. */
#define SECTION(name) __attribute__((section(name), used))
SECTION("socket") int nephronix_test(void *context) {
        return context != 0;
}
char terms[] SECTION("license") = "GPL";
