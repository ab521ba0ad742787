// Package heap is the memory of a module that allocates thousands of objects for a request, in place of TinyGo's own: an allocator
// of a few instructions, and a collector that marks and does not move. A module has it by importing this package and being
// compiled with -gc=custom and the tag custommalloc, as build-filter.sh does for "gc": "custom".
//
// There is nothing to call: the package implements what TinyGo's runtime asks of a collector. C and C++ in the module have
// libc's malloc beside it, whose memory is neither collected nor looked into: it must not hold the only pointer to an object.
package heap
