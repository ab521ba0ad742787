package mesh

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// roleVariable tells a re-executed binary which application it is.
const roleVariable = "PALISADE_MESH_ROLE"

// process is one application of the mesh: this very binary, started again in
// another role. It ends when its standard input does, so it cannot outlive
// the mesh, whatever way the mesh ends.
type process struct {
	role    string
	address string
	stdin   io.WriteCloser
	cmd     *exec.Cmd
}

// startProcess returns when the application listens.
func startProcess(role string) (*process, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("mesh: %w", err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("mesh: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("mesh: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("mesh: starting %s: %w", role, err)
	}
	p := &process{role: role, stdin: stdin, cmd: cmd}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("mesh: %s did not start: %w (a binary that starts a mesh must call mesh.Main first)", role, err)
	}
	p.address = strings.TrimSpace(line)
	return p, nil
}

// setNext tells the application where its own sidecar takes outbound requests.
func (p *process) setNext(address string) error {
	_, err := fmt.Fprintln(p.stdin, address)
	return err
}

func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}
