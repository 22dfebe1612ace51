// A witness that nobody of this project wrote: Google's verifiers of SEV-SNP reports, TD quotes, event logs and TPM quotes,
// behind one JSON object a line on stdin and stdout, so that one process judges many inputs.
package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/go-eventlog/register"
	"github.com/google/go-eventlog/tcg"
	sabi "github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/proto/sevsnp"
	sverify "github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
	tverify "github.com/google/go-tdx-guest/verify"
	"github.com/google/go-tpm-tools/proto/attest"
	tpmpb "github.com/google/go-tpm-tools/proto/tpm"
	"github.com/google/go-tpm-tools/server"
)

type request struct {
	Op  string    `json:"op"`
	Now time.Time `json:"now"`
	// snp
	Report  []byte `json:"report"`
	Vcek    []byte `json:"vcek"`
	Ask     []byte `json:"ask"`
	Ark     []byte `json:"ark"`
	Product string `json:"product"`
	// Whether Ask and Ark are trusted in place of AMD's.
	OwnRoot bool `json:"ownRoot"`
	// tdx
	Quote      []byte     `json:"quote"`
	Root       string     `json:"root"`
	Collateral collateral `json:"collateral"`
	// eventlog, tpm
	Log  []byte            `json:"log"`
	Pcrs map[string][]byte `json:"pcrs"`
	// tpm
	AkCertificate []byte   `json:"akCertificate"`
	Authorities   [][]byte `json:"authorities"`
	Message       []byte   `json:"message"`
	Signature     []byte   `json:"signature"`
	Nonce         []byte   `json:"nonce"`
}

// Bodies and issuer chains as Intel's service sends them.
type collateral struct {
	TcbInfo         string `json:"tcbInfo"`
	TcbInfoChain    string `json:"tcbInfoChain"`
	QeIdentity      string `json:"qeIdentity"`
	QeIdentityChain string `json:"qeIdentityChain"`
	PckCrl          []byte `json:"pckCrl"`
	PckCrlChain     string `json:"pckCrlChain"`
	RootCrl         []byte `json:"rootCrl"`
}

func (c *collateral) Get(url string) (map[string][]string, []byte, error) {
	switch {
	case strings.Contains(url, "/tcb?"):
		return map[string][]string{"Tcb-Info-Issuer-Chain": {c.TcbInfoChain}}, []byte(c.TcbInfo), nil
	case strings.Contains(url, "/qe/identity"):
		return map[string][]string{"Sgx-Enclave-Identity-Issuer-Chain": {c.QeIdentityChain}}, []byte(c.QeIdentity), nil
	case strings.Contains(url, "/pckcrl"):
		return map[string][]string{"Sgx-Pck-Crl-Issuer-Chain": {c.PckCrlChain}}, c.PckCrl, nil
	default:
		return nil, c.RootCrl, nil
	}
}

func judgeSnp(r *request) error {
	report, err := sabi.ReportToProto(r.Report)
	if err != nil {
		return err
	}
	attestation := &sevsnp.Attestation{
		Report:           report,
		CertificateChain: &sevsnp.CertificateChain{VcekCert: r.Vcek, AskCert: r.Ask, ArkCert: r.Ark},
	}
	options := &sverify.Options{DisableCertFetching: true, Now: r.Now}
	if r.OwnRoot {
		ask, err := x509.ParseCertificate(r.Ask)
		if err != nil {
			return err
		}
		ark, err := x509.ParseCertificate(r.Ark)
		if err != nil {
			return err
		}
		root := &trust.AMDRootCerts{ProductLine: r.Product, ProductCerts: &trust.ProductCerts{Ask: ask, Ark: ark}}
		options.TrustedRoots = map[string][]*trust.AMDRootCerts{r.Product: {root}}
	}
	return sverify.SnpAttestation(attestation, options)
}

// The same moment for everything that has dates.
func at(now time.Time) *tverify.TimeSet {
	return &tverify.TimeSet{PckCertChain: now, TcbInfo: now, QeIdentity: now, PckCrl: now, RootCaCrl: now}
}

func judgeTdx(r *request) error {
	options := &tverify.Options{CheckRevocations: true, GetCollateral: true, Getter: &r.Collateral, Now: at(r.Now)}
	if r.Collateral.TcbInfo == "" {
		options.CheckRevocations, options.GetCollateral = false, false
	}
	if r.Root != "" {
		block, _ := pem.Decode([]byte(r.Root))
		if block == nil {
			return fmt.Errorf("the root is not PEM")
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		options.TrustedRoots = x509.NewCertPool()
		options.TrustedRoots.AddCert(root)
	}
	return tverify.RawTdxQuote(r.Quote, options)
}

func judgeEventLog(r *request) error {
	var registers []register.MR
	for name, digest := range r.Pcrs {
		var index int
		if _, err := fmt.Sscan(name, &index); err != nil {
			return err
		}
		registers = append(registers, register.PCR{Index: index, Digest: digest, DigestAlg: crypto.SHA256})
	}
	events, err := tcg.ParseAndReplay(r.Log, registers, tcg.ParseOpts{})
	if err == nil && len(events) == 0 {
		return fmt.Errorf("no events")
	}
	return err
}

// The quote by the key of a certificate up to the first of the authorities, for a nonce, and the log that leads to its PCRs.
func judgeTpm(r *request) error {
	var authorities []*x509.Certificate
	for _, der := range r.Authorities {
		authority, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		authorities = append(authorities, authority)
	}
	if len(authorities) == 0 {
		return fmt.Errorf("no authorities")
	}
	pcrs := map[uint32][]byte{}
	for name, digest := range r.Pcrs {
		var index uint32
		if _, err := fmt.Sscan(name, &index); err != nil {
			return err
		}
		pcrs[index] = digest
	}
	attestation := &attest.Attestation{
		AkCert:   r.AkCertificate,
		EventLog: r.Log,
		Quotes: []*tpmpb.Quote{{
			Quote:  r.Message,
			RawSig: r.Signature,
			Pcrs:   &tpmpb.PCRs{Hash: tpmpb.HashAlgo_SHA256, Pcrs: pcrs},
		}},
	}
	state, err := server.VerifyAttestation(attestation, server.VerifyOpts{
		Nonce:             r.Nonce,
		TrustedRootCerts:  authorities[:1],
		IntermediateCerts: authorities[1:],
		Loader:            server.UnsupportedLoader,
	})
	if err == nil && len(state.GetRawEvents()) == 0 {
		return fmt.Errorf("no events")
	}
	return err
}

// A panic of a verifier is a verdict, too: its name goes into the answer.
func judge(r *request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	switch r.Op {
	case "snp":
		return judgeSnp(r)
	case "tdx":
		return judgeTdx(r)
	case "eventlog":
		return judgeEventLog(r)
	case "tpm":
		return judgeTpm(r)
	default:
		return fmt.Errorf("unknown operation %q", r.Op)
	}
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var r request
			verdict := json.Unmarshal(line, &r)
			if verdict == nil {
				verdict = judge(&r)
			}
			answer := map[string]any{"ok": verdict == nil}
			if verdict != nil {
				answer["error"] = verdict.Error()
			}
			if err := out.Encode(answer); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
