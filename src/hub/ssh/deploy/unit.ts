/** The agent's service for systemd, the same as install.sh writes. */

/** systemd.unit(5) of an agent at `program`. */
export const agentUnit = (program: string): string => `[Unit]
Description=Orion agent: runs, watches and ships what lives on this server
After=local-fs.target network.target
# a daemon that is ended by accident always comes back
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=${program} agent
# the daemon is replaced in place by the program that is installed now: applications go on, config and scripts are read
ExecReload=${program} agent reexec
# variables such as ORION_ENDPOINT, if you keep them out of config.json
EnvironmentFile=-/etc/orion/agent.env
Restart=always
RestartSec=500ms
WatchdogSec=60
TimeoutStopSec=20
# applications belong to the daemon, which stops them all when it is stopped; when it is killed they go on, and systemd
# holds their pipes until the next one reads them
KillMode=process
FileDescriptorStoreMax=4096
# an application that is out of memory is not the daemon's end
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=65536:524288
RuntimeDirectory=orion
RuntimeDirectoryMode=0755
# pipes and states of applications that outlive a daemon
RuntimeDirectoryPreserve=yes

[Install]
WantedBy=multi-user.target
`;
