package ratelimitservice

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// reservedPort is a port of 127.0.0.1 that nobody gets by chance. The rate
// limit service listens with SO_REUSEPORT, so it can share the port with a
// socket that has the same option and does not listen; while the service is
// down, connections are refused.
type reservedPort struct {
	number int
	socket *os.File
}

func reservePort() (*reservedPort, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("ratelimitservice: %w", os.NewSyscallError("socket", err))
	}
	unix.CloseOnExec(fd)
	port := &reservedPort{socket: os.NewFile(uintptr(fd), "reserved port")}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		port.release()
		return nil, fmt.Errorf("ratelimitservice: %w", os.NewSyscallError("setsockopt", err))
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		port.release()
		return nil, fmt.Errorf("ratelimitservice: %w", os.NewSyscallError("bind", err))
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		port.release()
		return nil, fmt.Errorf("ratelimitservice: %w", os.NewSyscallError("getsockname", err))
	}
	port.number = name.(*unix.SockaddrInet4).Port
	return port, nil
}

func (p *reservedPort) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

func (p *reservedPort) release() {
	if p != nil {
		p.socket.Close()
	}
}
