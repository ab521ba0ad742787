package envoy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// Memory is how much of it a process has, in bytes.
type Memory struct {
	// Allocated is what Envoy itself has asked for and not given back; the memory of VMs is not in it.
	Allocated int
	// Resident is what the system has given to the whole process. It varies by some megabytes.
	Resident int
}

// Memory is the memory of the process now. It needs Linux.
func (e *Envoy) Memory(ctx context.Context) (Memory, error) {
	body, err := e.Admin(ctx, http.MethodGet, "/memory")
	if err != nil {
		return Memory{}, err
	}
	var reply struct {
		Allocated string `json:"allocated"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return Memory{}, fmt.Errorf("envoy: admin /memory: %w", err)
	}
	allocated, err := strconv.Atoi(reply.Allocated)
	if err != nil {
		return Memory{}, fmt.Errorf("envoy: admin /memory: allocated: %w", err)
	}
	resident, err := e.resident()
	return Memory{Allocated: allocated, Resident: resident}, err
}

// resident finds the process by a file that only its arguments name.
func (e *Envoy) resident() (int, error) {
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, fmt.Errorf("envoy: %w", err)
	}
	for _, file := range processes {
		arguments, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(arguments, []byte("\x00"+e.adminAddressFile()+"\x00")) {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		if err != nil {
			return 0, fmt.Errorf("envoy: %w", err)
		}
		_, after, _ := bytes.Cut(status, []byte("VmRSS:"))
		var kilobytes int
		if _, err := fmt.Sscan(string(after), &kilobytes); err != nil {
			return 0, fmt.Errorf("envoy: %s: VmRSS: %w", file, err)
		}
		return kilobytes << 10, nil
	}
	return 0, fmt.Errorf("envoy: no process of %s in /proc", e.name)
}
