# The first process of a host, in namespaces of its own: it puts the host's own files in
# the place of the machine's and becomes sshd.
set -e
dir=$1 port=$2
cd "$dir"
if ! [ -d etc ]; then
	mkdir -p etc/ssh/sshd_config.d etc/sudoers.d home root/.ssh log sbin
	for f in alternatives ld.so.cache ld.so.conf ld.so.conf.d pam.d pam.conf security login.defs localtime \
		default environment profile shells skel os-release hosts hostname; do
		! [ -e "/etc/$f" ] || cp -a "/etc/$f" etc/
	done
	printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n' >etc/nsswitch.conf
	printf 'root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n' >etc/passwd
	printf 'root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n' >etc/shadow
	printf 'root:x:0:\ntty:x:5:\nutmp:x:43:\nnogroup:x:65534:\n' >etc/group
	printf 'root:*::\ntty:*::\nutmp:*::\nnogroup:*::\n' >etc/gshadow
	chmod 640 etc/shadow etc/gshadow
	printf 'Defaults env_reset\nDefaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n' >etc/sudoers
	chmod 440 etc/sudoers
	chmod 755 etc/sudoers.d
	cat >etc/ssh/sshd_config <<-END
		Include /etc/ssh/sshd_config.d/*.conf
		ListenAddress 127.0.0.1
		Port $port
		HostKey /etc/ssh/hostkey
		UsePAM yes
		PidFile none
		PermitRootLogin prohibit-password
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		MaxStartups 200
		Subsystem sftp internal-sftp
	END
	cp hostkey hostkey.pub etc/ssh/
	cp rootkey root/.ssh/authorized_keys
	fresh=yes
fi
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock
[ ! -d /var/lib/sudo ] || mount -t tmpfs -o mode=711 tmpfs /var/lib/sudo
for d in etc home root; do mount --bind "$dir/$d" "/$d"; done
mount --bind "$dir/log" /var/log
mount --bind "$dir/sbin" /usr/local/sbin
[ -z "$fresh" ] || sh "$dir/setup.sh"
mount -t tmpfs -o mode=1777 tmpfs /tmp
cd /
exec /usr/sbin/sshd -D -e
