# __assert_fail is what an assertion of libc's that fails calls: the only one in a filter is that there are random numbers.
# libc's own prints which one it was, for which it needs all of printf, 12 kB of each module. Here the VM ends, as it does
# there afterwards, and Envoy logs that.
	.globl  __assert_fail
	.hidden __assert_fail
	.type   __assert_fail, @function
__assert_fail:
	.functype __assert_fail (i32, i32, i32, i32) -> ()
	unreachable
	end_function
