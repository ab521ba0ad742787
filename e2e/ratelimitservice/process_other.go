//go:build !linux

package ratelimitservice

import "os/exec"

// Other kernels cannot tie a process to its parent, and stop one soon enough.

func endWithParent(*exec.Cmd) {}

func awaitStopped(int) error { return nil }
